"""Figures that stand in the database and are read when Prometheus asks.

An app registers them by ``publish``, since the library knows no table. Each reading is bounded in
time and by itself: one that fails is missing from the answer, is named by ``legato_gauge_up``, and
keeps nothing else from being answered.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
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


type Read = Callable[[datetime], Iterable[Gauge]]

_readings: dict[str, Read] = {}


def publish(readings: Mapping[str, Read]) -> None:
    """Have every scrape show these, by a short name for each; the same again changes nothing."""
    _readings.update(readings)


class Readings:
    """The registered gauges, read at most once per ``METRICS_CACHE_SECONDS``."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Read nothing yet."""
        self._clock = clock
        self._lock = Lock()
        self._read_at: float | None = None
        self._metrics: list[Metric] = []

    def collect(self, now: datetime) -> list[Metric]:
        """Every gauge; two scrapes at once read the database once."""
        with self._lock:
            started = self._clock()
            is_old = (
                self._read_at is None or started - self._read_at >= settings.METRICS_CACHE_SECONDS
            )
            if is_old:
                self._metrics = list(_read_all(now))
                self._read_at = started
            return self._metrics


readings = Readings()
"""Those of this process."""


def _read_all(now: datetime) -> Iterator[Metric]:
    is_up: dict[Labels, float] = {}
    for name, read in _readings.items():
        gauges = _read_one(name, read, now)
        is_up[(("reading", name),)] = 0 if gauges is None else 1
        yield from (_metric(gauge) for gauge in gauges or [])
    text = "1 when the figures of a reading could be read from the database, else 0."
    yield _metric(Gauge("legato_gauge_up", text, is_up))


def _read_one(name: str, read: Read, now: datetime) -> list[Gauge] | None:
    try:
        with atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = '{LIMIT_SECONDS}s'")
            return list(read(now))
    except Error as error:
        log.warning("gauge_not_read", reading=name, error=type(error).__name__)
    except Exception:
        # A bug of ours must not take the other figures with it.
        log.exception("gauge_not_read", reading=name)
    return None


def _metric(gauge: Gauge) -> Metric:
    names = [name for name, _ in next(iter(gauge.values), ())]
    family = GaugeMetricFamily(gauge.name, gauge.help, labels=names)
    for labels, value in gauge.values.items():
        family.add_metric([text for _, text in labels], value)
    return family
