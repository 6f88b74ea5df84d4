"""GET /metrics, for Prometheus."""

from collections.abc import Iterable

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import REGISTRY, CollectorRegistry, Metric, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from legato_payments.lib import clock, gauges, health, metrics_files
from legato_payments.lib.api import problems
from legato_payments.lib.api.auth import InvalidToken, verify
from legato_payments.lib.api.permissions import Service
from legato_payments.lib.errors import Forbidden, Unavailable

_SCOPE = Service("metrics:read")


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """What all processes counted, and what stands in the database, as text.

    For callers at ``INTERNAL_ADDRESSES``, and services whose token carries ``metrics:read``.
    """
    if not health.is_internal(request) and not _has_token(request):
        return problems.respond(problems.describe(Forbidden), instance=request.path)
    return HttpResponse(exposition(), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def exposition() -> bytes:
    """Everything we publish, in the text format of Prometheus.

    https://prometheus.io/docs/instrumenting/exposition_formats/
    """
    registry = CollectorRegistry()
    registry.register(_Counted())
    registry.register(_Read())
    return generate_latest(registry)


class _Counted(Collector):
    """The counters: of all processes when they share a folder, else of this one."""

    def collect(self) -> Iterable[Metric]:
        folder = metrics_files.folder()
        if folder is None:
            yield from REGISTRY.collect()
        else:
            shared = MultiProcessCollector(None, str(folder))  # type: ignore[no-untyped-call]
            yield from shared.collect()  # type: ignore[no-untyped-call]


class _Read(Collector):
    """The figures of the database."""

    def collect(self) -> Iterable[Metric]:
        yield from map(gauges.metric, gauges.readings.read(clock.now()))

    def describe(self) -> Iterable[Metric]:
        """Nothing: to register is not to read."""
        return []


def _has_token(request: HttpRequest) -> bool:
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
    if scheme.lower() != "bearer":
        return False
    try:
        return _SCOPE.allows(verify(token.strip()), {})
    except (InvalidToken, Unavailable):
        return False
