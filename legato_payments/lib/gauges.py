"""Figures that stand in the database and are read when Prometheus, or a probe, asks.

An app registers them by ``publish``, since the library knows no table. Each reading is bounded in
time and by itself: one that fails is missing from the answer, is named by ``legato_gauge_up``, and
keeps nothing else from being answered.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from threading import Lock

import structlog
from django.conf import settings
from django.db import Error, connection
from django.db.transaction import atomic
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

log = structlog.get_logger(__name__)

LIMIT_SECONDS = 2
"""How long one reading may keep the database busy."""

type Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Gauge:
    """One figure, or one per value of its labels."""

    name: str
    help: str
    values: Mapping[Labels, float]
    """Label names with values -> the figure; ``()`` for one without labels."""
    must_be_zero: bool = False
    """Anything else means that something is wrong; the service is degraded then."""

    @property
    def wrong(self) -> dict[Labels, float]:
        """The figures that must be zero and are not."""
        return {
            labels: value for labels, value in self.values.items() if self.must_be_zero and value
        }


type Read = Callable[[datetime], Iterable[Gauge]]


@dataclass(frozen=True, slots=True)
class Reading:
    """How some figures are read, and how many ``METRICS_CACHE_SECONDS`` old they may be shown."""

    read: Read
    patience: int = 1


_readings: dict[str, Reading] = {}


def publish(readings: Mapping[str, Reading]) -> None:
    """Have every scrape show these, by a short name for each; the same again changes nothing."""
    _readings.update(readings)


@dataclass(frozen=True, slots=True)
class _Found:
    gauges: list[Gauge] | None
    """Nothing when the reading failed."""
    read_at: float


class Readings:
    """The registered gauges, each read at most once per ``METRICS_CACHE_SECONDS``."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Read nothing yet."""
        self._clock = clock
        self._lock = Lock()
        self._found: dict[str, _Found] = {}

    def read(self, now: datetime) -> list[Gauge]:
        """Every gauge; two who ask at once read the database once."""
        with self._lock:
            for name, reading in _readings.items():
                if self._is_old(name, reading):
                    gauges = _read_one(name, reading.read, now)
                    self._found = {**self._found, name: _Found(gauges, self._clock())}
        return self.newest()

    def newest(self) -> list[Gauge]:
        """What was read last, however old; asks and awaits nothing."""
        found = {name: self._found[name].gauges for name in _readings if name in self._found}
        text = "1 when the figures of a reading could be read from the database, else 0."
        is_up: dict[Labels, float] = {
            (("reading", name),): 0 if read is None else 1 for name, read in found.items()
        }
        figures = [gauge for read in found.values() for gauge in read or ()]
        return [*figures, Gauge("legato_gauge_up", text, is_up)]

    def _is_old(self, name: str, reading: Reading) -> bool:
        found = self._found.get(name)
        age = reading.patience * settings.METRICS_CACHE_SECONDS
        return found is None or self._clock() - found.read_at >= age


readings = Readings()
"""Those of this process."""


def _read_one(name: str, read: Read, now: datetime) -> list[Gauge] | None:
    try:
        with atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = '{LIMIT_SECONDS}s'")
            gauges = list(read(now))
    except Error as error:
        log.warning("gauge_not_read", reading=name, error=type(error).__name__)
    except Exception:
        # A bug of ours must not take the other figures with it.
        log.exception("gauge_not_read", reading=name)
    else:
        for gauge in gauges:
            for labels, value in gauge.wrong.items():
                log.error("figure_not_zero", figure=gauge.name, value=value, **dict(labels))
        return gauges
    return None


def metric(gauge: Gauge) -> Metric:
    """A gauge as Prometheus' client takes it."""
    names = [name for name, _ in next(iter(gauge.values), ())]
    family = GaugeMetricFamily(gauge.name, gauge.help, labels=names)
    for labels, value in gauge.values.items():
        family.add_metric([text for _, text in labels], value)
    return family
