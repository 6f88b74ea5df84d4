"""Liveness and readiness, for load balancers and people."""

import ipaddress
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import redis
import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from legato_payments.lib import clock, gauges, keyring
from legato_payments.lib.gauges import Gauge

log = structlog.get_logger(__name__)

LIMIT_SECONDS = 0.5
"""How long the database, and Redis, may take to answer."""

# One thread: when the database hangs, one probe hangs in it and the next ones give up queueing.
_prober = ThreadPoolExecutor(max_workers=1, thread_name_prefix="readyz")
_reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="readyz-figures")
_migrated: set[str] = set()


@never_cache
@require_safe
def livez(_request: HttpRequest) -> JsonResponse:
    """Whether this process answers at all; nothing is read or asked."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Whether this process can serve: 200 when ``ok`` or ``degraded``, else 503 ``unready``.

    Callers at ``INTERNAL_ADDRESSES`` also learn which part is to blame, and what stands in the
    books. A figure that must be zero and is not degrades the service, and never makes it unready.
    """
    needed = {
        name: _outcome(name, check)
        for name, check in (("database", _database), ("migrations", _migrations), ("keys", _keys))
    }
    optional = {"redis": _outcome("redis", _redis)}
    is_ready = all(outcome == "ok" for outcome in needed.values())
    figures = _figures() if needed["database"] == needed["migrations"] == "ok" else []
    is_whole = all(outcome == "ok" for outcome in optional.values()) and not any(
        gauge.wrong for gauge in figures
    )
    body: dict[str, object] = {
        "status": "unready" if not is_ready else "ok" if is_whole else "degraded"
    }
    if is_internal(request):
        body["checks"] = needed | optional
        body["books"] = {gauge.name: _plain(gauge) for gauge in figures}
    return JsonResponse(body, status=200 if is_ready else 503)


def is_internal(request: HttpRequest) -> bool:
    """Whether the caller itself, and no proxy for somebody else, is at ``INTERNAL_ADDRESSES``."""
    if "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
        return False
    try:
        caller = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False  # a unix socket has no address
    networks = (ipaddress.ip_network(text, strict=False) for text in settings.INTERNAL_ADDRESSES)
    return any(caller in network for network in networks)


class _NotReady(Exception):
    """Says in a few words what is missing."""


def _outcome(name: str, check: Callable[[], None]) -> str:
    try:
        check()
    except _NotReady as error:
        problem = str(error)
    except (DatabaseError, ImproperlyConfigured, OSError, redis.RedisError) as error:
        # Never the text: it may hold the address with its password.
        problem = type(error).__name__
    else:
        return "ok"
    log.warning("not_ready", part=name, problem=problem)
    return problem


def _database() -> None:
    probe = _prober.submit(_select_one)
    try:
        probe.result(timeout=LIMIT_SECONDS)
    except TimeoutError:
        probe.cancel()
        raise _NotReady(f"no answer within {LIMIT_SECONDS} s") from None


def _select_one() -> None:
    # The prober's own connection: connecting, too, is within the limit.
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    finally:
        connection.close()


def _migrations() -> None:
    database = str(connection.settings_dict["NAME"])
    if database in _migrated:
        return
    executor = MigrationExecutor(connection)
    if plan := executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise _NotReady(f"{len(plan)} not applied")
    # A migration once applied stays so; the graph takes too long to load for every probe.
    _migrated.add(database)


def _keys() -> None:
    keyring.key_ring()


def _figures() -> list[Gauge]:
    # Never waited for longer than the database may take: what is read too late, the next probe
    # finds, and this one shows what was read before.
    reading = _reader.submit(_read_figures)
    try:
        reading.result(timeout=LIMIT_SECONDS)
    except TimeoutError:
        reading.cancel()
    return gauges.readings.newest()


def _read_figures() -> None:
    try:
        gauges.readings.read(clock.now())
    finally:
        connection.close()


def _plain(gauge: Gauge) -> object:
    values = {",".join(text for _, text in labels): value for labels, value in gauge.values.items()}
    return values[""] if values.keys() == {""} else values


def _redis() -> None:
    _redis_client(settings.REDIS_URL).ping()


@lru_cache(maxsize=2)
def _redis_client(url: str) -> "redis.Redis":
    return redis.Redis.from_url(
        url, socket_timeout=LIMIT_SECONDS, socket_connect_timeout=LIMIT_SECONDS
    )
