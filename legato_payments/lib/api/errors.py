"""Where an error becomes an HTTP answer: one exception handler, and Django's own error views."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import structlog
from django.core.exceptions import (
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.core.signals import got_request_exception
from django.db import Error as DatabaseError
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt
from rest_framework.exceptions import APIException, ErrorDetail, ValidationError
from rest_framework.settings import api_settings

from legato_payments.lib.api import problems
from legato_payments.lib.api.problems import Problem
from legato_payments.lib.errors import (
    DomainError,
    FieldError,
    Forbidden,
    Invalid,
    Missing,
    Unauthenticated,
    Unavailable,
)

log = structlog.get_logger(__name__)

MAX_ERRORS = 100
"""Faults listed in one answer; a bulk request could hold thousands."""

RETRY_AFTER_SECONDS = 5
"""``Retry-After`` of a 503 whose error names no time itself."""

TIMED_OUT_SQLSTATES = {"25P03", "25P04"}
"""idle_in_transaction_session_timeout and transaction_timeout: psycopg calls them internal errors.

https://www.postgresql.org/docs/18/errcodes-appendix.html
"""


class LengthRequired(APIException):
    """The body comes in chunks, so its size is not known beforehand (411)."""

    status_code = 411
    default_detail = "Send the body with a Content-Length."


class PreconditionFailed(APIException):
    """``If-Match`` names an older version, or ``If-None-Match: *`` meets an existing one (412)."""

    status_code = 412
    default_detail = "The resource has changed since you read it."


class PayloadTooLarge(APIException):
    """The body is larger than this operation takes (413)."""

    status_code = 413
    default_detail = "The request body is too large."


class PreconditionRequired(APIException):
    """The change must say which version it is for (428)."""

    status_code = 428
    default_detail = "Send If-Match with the ETag you read, or If-None-Match: * to create."


@dataclass(frozen=True, slots=True)
class _Answer:
    problem: Problem
    detail: str = ""
    errors: tuple[FieldError, ...] = ()
    members: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


_API_PROBLEMS = {
    400: problems.describe(Invalid),
    401: problems.describe(Unauthenticated),
    403: problems.describe(Forbidden),
    404: problems.describe(Missing),
    405: problems.METHOD_NOT_ALLOWED,
    406: problems.NOT_ACCEPTABLE,
    411: problems.LENGTH_REQUIRED,
    412: problems.PRECONDITION_FAILED,
    413: problems.PAYLOAD_TOO_LARGE,
    415: problems.UNSUPPORTED_MEDIA_TYPE,
    428: problems.PRECONDITION_REQUIRED,
    429: problems.RATE_LIMITED,
    503: problems.describe(Unavailable),
}

_DJANGO_PROBLEMS: tuple[tuple[type[Exception], Problem], ...] = (
    (Http404, problems.describe(Missing)),
    (PermissionDenied, problems.describe(Forbidden)),
    (RequestDataTooBig, problems.PAYLOAD_TOO_LARGE),  # a SuspiciousOperation, so before it
    (SuspiciousOperation, problems.BAD_REQUEST),
    (UnreadablePostError, problems.BAD_REQUEST),
)

_SAME_FOR_ALL = {403, 404}
"""Their detail is always the title: whether another's id exists must not show."""


def problem_response(error: Exception, context: Mapping[str, Any]) -> HttpResponse:
    """Answer any exception of an API view: DRF's ``EXCEPTION_HANDLER``.

    What nobody expected becomes a 500 that tells the caller nothing; the log has the traceback.
    """
    request = context.get("request")
    answer = _expected(error)
    if answer is None:
        log.exception("internal_error", error=type(error).__name__)
        # As Django does for an uncaught exception: error trackers and the test client listen.
        got_request_exception.send(sender=None, request=getattr(request, "_request", request))
        answer = _Answer(problems.INTERNAL_ERROR)
    return problems.respond(
        answer.problem,
        detail=answer.detail,
        instance=request.path if request is not None else "",
        errors=answer.errors,
        members=answer.members,
        headers=answer.headers,
    )


def _expected(error: Exception) -> _Answer | None:
    match error:
        case DomainError():
            return _of_business(error)
        case APIException():
            return _of_api(error)
        case DatabaseError():
            return _of_database(error)
    problem = next((answer for kind, answer in _DJANGO_PROBLEMS if isinstance(error, kind)), None)
    return None if problem is None else _Answer(problem)


def _of_business(error: DomainError) -> _Answer | None:
    if type(error) is DomainError:
        return None  # no category: a bug of ours
    problem = problems.describe(type(error))
    headers = {}
    retry_after = error.retry_after
    if retry_after is None and problem.status == 503:
        retry_after = RETRY_AFTER_SECONDS
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return _Answer(problem, str(error), error.errors[:MAX_ERRORS], error.members, headers)


def _of_api(error: APIException) -> _Answer | None:
    problem = _API_PROBLEMS.get(error.status_code)
    if problem is None:
        return None
    headers = {}
    if isinstance(error, ValidationError):
        return _Answer(problem, errors=tuple(islice(field_errors(error.detail), MAX_ERRORS)))
    if problem.status == 401:
        headers["WWW-Authenticate"] = getattr(error, "auth_header", "Bearer")
    wait: float | None = getattr(error, "wait", None)  # of Throttled
    if wait is not None:
        headers["Retry-After"] = str(math.ceil(wait))
    if problem.status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    told = problem.status not in _SAME_FOR_ALL and isinstance(error.detail, str)
    return _Answer(problem, str(error.detail) if told else "", headers=headers)


def _of_database(error: DatabaseError) -> _Answer | None:
    sqlstate = getattr(error.__cause__, "sqlstate", None)
    is_away = isinstance(error, OperationalError | InterfaceError)
    if not is_away and sqlstate not in TIMED_OUT_SQLSTATES:
        return None
    log.warning("database_unavailable", sqlstate=sqlstate, error=str(error))
    retry = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return _Answer(problems.DATABASE_UNAVAILABLE, headers=retry)


def field_errors(detail: Any, pointer: str = "") -> Iterator[FieldError]:
    """Flatten DRF's nested error details, each with the JSON pointer (RFC 6901) of its value."""
    if isinstance(detail, dict):
        for key, inner in detail.items():
            yield from field_errors(inner, _join(pointer, key))
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            # A list of words is about this value; a list of dicts is about its items.
            is_item = isinstance(inner, dict | list)
            yield from field_errors(inner, _join(pointer, index) if is_item else pointer)
    else:
        code = detail.code if isinstance(detail, ErrorDetail) else None
        yield FieldError(pointer, code or "invalid", str(detail))


def _join(pointer: str, key: str | int) -> str:
    if key == api_settings.NON_FIELD_ERRORS_KEY:
        return pointer
    return f"{pointer}/{escape_pointer(str(key))}"


def escape_pointer(key: str) -> str:
    """One step of a JSON pointer: ``~`` is ``~0`` and ``/`` is ``~1`` (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


def is_api_path(path: str) -> bool:
    """Whether errors under ``path`` are problem documents rather than Django's pages."""
    first = path.lstrip("/").partition("/")[0]
    return first in {"api", "problems"}


@csrf_exempt
def unknown_endpoint(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    """404 for whatever no route under /api takes, whatever the method. The last route of all."""
    return problems.respond(_API_PROBLEMS[404], instance=request.path)


def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    """A request that Django itself refuses, such as one with an unknown host."""
    if not is_api_path(request.path):
        return defaults.bad_request(request, exception)
    too_big = isinstance(exception, RequestDataTooBig)
    problem = problems.PAYLOAD_TOO_LARGE if too_big else problems.BAD_REQUEST
    return problems.respond(problem, instance=request.path)


def handler403(request: HttpRequest, exception: Exception) -> HttpResponse:
    """A refusal outside DRF's views."""
    if not is_api_path(request.path):
        return defaults.permission_denied(request, exception)
    return problems.respond(_API_PROBLEMS[403], instance=request.path)


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    """An address that no route takes."""
    if not is_api_path(request.path):
        return defaults.page_not_found(request, exception)
    return problems.respond(_API_PROBLEMS[404], instance=request.path)


def handler500(request: HttpRequest) -> HttpResponse:
    """A failure outside DRF's views; Django has logged it."""
    if not is_api_path(request.path):
        return defaults.server_error(request)
    return problems.respond(problems.INTERNAL_ERROR, instance=request.path)
