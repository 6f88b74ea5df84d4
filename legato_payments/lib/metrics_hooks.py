"""Where requests and jobs are counted."""

import re
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from celery import signals
from django.contrib.admindocs.views import simplify_regex
from django.http import HttpRequest, HttpResponseBase

from legato_payments.lib.metrics import HTTP_REQUEST_SECONDS, JOBS

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"

UNMATCHED = "unmatched"
"""The route of whatever no address of ours takes, static files included."""

_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


class RequestMetricsMiddleware:
    """Measures every request by its route, so that no id in a path makes a series of its own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer ``request`` and note how long it took."""
        started = time.perf_counter()
        response = self.get_response(request)
        HTTP_REQUEST_SECONDS.labels(
            method=request.method if request.method in METHODS else OTHER,
            route=route_of(request),
            status=str(response.status_code),
        ).observe(time.perf_counter() - started)
        return response


def route_of(request: HttpRequest) -> str:
    """The route that took a request, as ``/api/v1/payments/users/{user_id}/balance``."""
    match = request.resolver_match
    return UNMATCHED if match is None else _readable(match.route)


@lru_cache(maxsize=1024)
def _readable(route: str) -> str:
    named: str = simplify_regex(route)
    return _PARAMETER.sub(r"{\1}", named)


@signals.task_postrun.connect
def _count_job(task: Any = None, state: str | None = None, **_: Any) -> None:
    # A name that is registered: whatever else a message asks for never runs.
    JOBS.labels(job=task.name, result=(state or OTHER).lower()).inc()
