"""Logs: one line per event, UTC, with the request or job it belongs to, and without secrets.

JSON where machines read it (``LOG_JSON``), columns where people do. No body is ever logged.
"""

import logging.config
import re
import secrets
import sys
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import structlog
from celery import signals
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars
from structlog.typing import EventDict, Processor, WrappedLogger

from legato_payments.lib import redaction

access_log = structlog.get_logger("legato.access")

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
"""W3C Trace Context: version, trace id, parent id, flags. https://www.w3.org/TR/trace-context/."""

_PROBES = frozenset({"/livez", "/readyz", "/healthz", "/metrics"})
_CARRIED = ("request_id", "trace_id")
"""What a job keeps of the request that enqueued it."""


_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    structlog.processors.StackInfoRenderer(),
]
"""What every event passes, whether it comes from structlog or from a library's ``logging``."""


def configure(_config: dict[str, Any]) -> None:
    """Send every log line, ours and the libraries', through structlog to stderr.

    stdout stays free for what management commands print. Django calls this with ``LOGGING``,
    which we do not use: ``LOG_JSON`` and ``LOG_LEVEL`` say all there is to say.
    """
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": {"()": formatter, "as_json": settings.LOG_JSON}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
            "root": {"handlers": ["stderr"], "level": settings.LOG_LEVEL},
            "loggers": {
                "django": {"handlers": [], "propagate": True},
                # The access line says it already; failures keep their traceback.
                "django.request": {"level": "ERROR"},
                "django.server": {"handlers": [], "level": "ERROR", "propagate": True},
                # At INFO and below the gateway's client logs what it sends.
                "stripe": {"level": "WARNING"},
                "urllib3": {"level": "WARNING"},
            },
        }
    )


def formatter(*, as_json: bool) -> structlog.stdlib.ProcessorFormatter:
    """What turns an event into a line: redacted, then as JSON or in columns."""
    renderers: list[Processor] = [structlog.processors.JSONRenderer(default=str)]
    if not as_json:
        console = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            timestamp_key="at",
            exception_formatter=structlog.dev.plain_traceback,
        )
        renderers = [_one_line_values, console]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            redact_event,
            *renderers,
        ],
    )


def redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The processor that takes secrets out, by the name of the key and by the look of the value."""
    return {key: redaction.redact(value, key) for key, value in event.items()}


def _one_line_values(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    # JSON escapes line breaks by itself; on a console only a traceback may take several lines.
    return {
        key: redaction.one_line(value)
        if isinstance(value, str) and key not in {"exception", "stack"}
        else value
        for key, value in event.items()
    }


class RequestContextMiddleware:
    """Gives a request its id and trace, and writes the one access line when it is answered.

    ``X-Request-ID`` is taken over when it is harmless and made otherwise; ``traceparent`` likewise.
    Both go out with the response. An answer under ``/api`` that says nothing about caching is not
    to be stored by anyone.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer ``request`` within its log context."""
        clear_contextvars()
        started = time.perf_counter()
        request_id = _request_id(request.headers.get("X-Request-ID", ""))
        traceparent = request.headers.get("traceparent", "")
        trace_id = _trace_id(traceparent)
        bind_contextvars(request_id=request_id, trace_id=trace_id or secrets.token_hex(16))
        try:
            response = self.get_response(request)
            response["X-Request-ID"] = request_id
            if trace_id:
                response["traceparent"] = traceparent
            if request.path.startswith("/api/"):
                response.headers.setdefault("Cache-Control", "no-store")
            _log_access(request, response.status_code, started)
            return response
        finally:
            clear_contextvars()


def _log_access(request: HttpRequest, status: int, started: float) -> None:
    is_noise = request.path in _PROBES or request.path.startswith(settings.STATIC_URL)
    log = access_log.debug if is_noise else access_log.info
    facts: dict[str, Any] = {
        "method": request.method,
        "path": request.path,
        "status": status,
        "duration_ms": round((time.perf_counter() - started) * 1000, 1),
    }
    if "actor" not in get_contextvars() and (actor := _staff(request)):
        facts["actor"] = actor
    log("request", **facts)


def _staff(request: HttpRequest) -> str | None:
    # Only a user that something already looked up: ``request.user`` itself would ask the database
    # and make every answer vary by cookie.
    user = vars(request).get("_cached_user")
    return f"staff:{user.pk}" if user is not None and user.is_authenticated else None


def _request_id(given: str) -> str:
    return given if _REQUEST_ID.fullmatch(given) else uuid4().hex


def _trace_id(traceparent: str) -> str | None:
    found = _TRACEPARENT.fullmatch(traceparent)
    # Version ff and ids of zeros are not valid.
    if not found or traceparent.startswith("ff") or {"0"} in (set(found[1]), set(found[2])):
        return None
    return found[1]


@signals.setup_logging.connect
def _keep_our_logging(**_: Any) -> None:
    """Being connected is all it takes: Celery then leaves the loggers as we configured them."""


@signals.before_task_publish.connect
def _send_context(headers: dict[str, Any] | None = None, **_: Any) -> None:
    context = get_contextvars()
    if headers is not None:
        headers.update({name: context[name] for name in _CARRIED if name in context})


@signals.task_prerun.connect
def _enter_job(task_id: str = "", task: Any = None, **_: Any) -> None:
    clear_contextvars()
    carried = {name: getattr(task.request, name, None) for name in _CARRIED}
    bind_contextvars(
        job=task.name,
        task_id=task_id,
        actor=f"system:{task.name}",
        **{name: value for name, value in carried.items() if value},
    )


@signals.task_postrun.connect
def _leave_job(**_: Any) -> None:
    clear_contextvars()
