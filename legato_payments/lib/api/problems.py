"""Problem documents (RFC 9457): their form, the list of all codes, and a page for each.

Every error answer has ``"type": "/problems/<code>"``; the pages behind those addresses are served
here, from the same registry that a convention test compares with the documentation.
"""

import inspect
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.html import format_html, format_html_join
from django.views.decorators.http import require_safe
from rest_framework.utils.encoders import JSONEncoder

from legato_payments.lib.errors import (
    Conflict,
    Declined,
    DomainError,
    FieldError,
    Forbidden,
    Invalid,
    Missing,
    Refused,
    Unauthenticated,
    Unavailable,
)

CONTENT_TYPE = "application/problem+json"

STATUS_BY_CATEGORY: Mapping[type[DomainError], int] = {
    Invalid: 400,
    Unauthenticated: 401,
    Declined: 402,
    Forbidden: 403,
    Missing: 404,
    Conflict: 409,
    Refused: 422,
    Unavailable: 503,
}

WHAT_TO_DO: Mapping[int, str] = {
    400: "Correct the request; `errors` says which parts. Sending it unchanged fails again.",
    401: "Send `Authorization: Bearer <token>` with a token that is valid now.",
    402: "Ask the customer for another payment method.",
    403: "Use a token of the owner, or one with the scope that this operation needs.",
    404: "Check the address and the identifiers in it.",
    405: "Use one of the methods that the `Allow` header lists.",
    406: "Accept `application/json`.",
    409: "Read the current state, then decide whether to send a new request with a new key.",
    411: "Send a `Content-Length` header instead of a chunked body.",
    412: "Read the resource again and repeat the change with its new `ETag`.",
    413: "Send less: split the request into several smaller ones.",
    415: "Send the body as `application/json` in UTF-8.",
    422: "Change the request so that the rule in `detail` holds, and use a new idempotency key.",
    428: "Read the resource and send its `ETag` as `If-Match`, or `If-None-Match: *` to create it.",
    429: "Wait the seconds of the `Retry-After` header.",
    500: "Report it with the `trace_id`. A request with an idempotency key may be repeated.",
    503: "Repeat the same request, with the same idempotency key, after `Retry-After` seconds.",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One code of the contract: its status, a title, what it means, and where it is defined."""

    code: str
    status: int
    title: str
    meaning: str = ""
    source: str = __name__

    @property
    def what_to_do(self) -> str:
        """Advice to the caller."""
        return WHAT_TO_DO[self.status]


# What HTTP itself refuses, before or outside any business rule.
BAD_REQUEST = Problem("bad_request", 400, "The request cannot be processed.")
METHOD_NOT_ALLOWED = Problem("method_not_allowed", 405, "This address has no such method.")
NOT_ACCEPTABLE = Problem("not_acceptable", 406, "No form of the answer that you accept exists.")
LENGTH_REQUIRED = Problem("length_required", 411, "The request has no Content-Length.")
PRECONDITION_FAILED = Problem("precondition_failed", 412, "The resource has changed meanwhile.")
PAYLOAD_TOO_LARGE = Problem("payload_too_large", 413, "The request body is too large.")
UNSUPPORTED_MEDIA_TYPE = Problem("unsupported_media_type", 415, "The body is not JSON in UTF-8.")
PRECONDITION_REQUIRED = Problem("precondition_required", 428, "The change needs a precondition.")
RATE_LIMITED = Problem("rate_limited", 429, "Too many requests.")
INTERNAL_ERROR = Problem("internal_error", 500, "Something failed on our side.")
DATABASE_UNAVAILABLE = Problem("database_unavailable", 503, "The database did not answer in time.")

HTTP_PROBLEMS = (
    BAD_REQUEST,
    METHOD_NOT_ALLOWED,
    NOT_ACCEPTABLE,
    LENGTH_REQUIRED,
    PRECONDITION_FAILED,
    PAYLOAD_TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    PRECONDITION_REQUIRED,
    RATE_LIMITED,
    INTERNAL_ERROR,
    DATABASE_UNAVAILABLE,
)


def describe(kind: type[DomainError]) -> Problem:
    """The problem that a class of business error is answered with."""
    status = next(STATUS_BY_CATEGORY[c] for c in kind.__mro__ if c in STATUS_BY_CATEGORY)
    # One title per type (RFC 9457, section 3.1.3): that of the class that gave it its code. What a
    # subclass adds is told by ``detail``.
    named = next(c for c in kind.__mro__ if "code" in vars(c))
    title = getattr(named, "title", kind.title)
    meaning = inspect.cleandoc(kind.__doc__ or "")
    return Problem(kind.code, status, title, meaning, f"{kind.__module__}.{kind.__name__}")


def known_problems() -> list[Problem]:
    """Every code that the imported modules can answer with, a duplicate twice."""
    return [*HTTP_PROBLEMS, *(describe(kind) for kind in _with_own_code(DomainError))]


def known_codes() -> list[str]:
    """The codes of ``known_problems()``, sorted; a convention test asserts that each is unique."""
    return sorted(problem.code for problem in known_problems())


def _with_own_code(parent: type[DomainError]) -> Iterator[type[DomainError]]:
    for kind in parent.__subclasses__():
        # A subclass that keeps its parent's code is the same problem to the caller.
        if "code" in vars(kind):
            yield kind
        yield from _with_own_code(kind)


class ProblemEncoder(JSONEncoder):
    """JSON of extra members: also of values that know their own form, such as ``Money``."""

    def default(self, obj: Any) -> Any:
        if hasattr(obj, "to_json"):
            return obj.to_json()
        return super().default(obj)


def respond(
    problem: Problem,
    *,
    detail: str = "",
    instance: str = "",
    errors: Iterable[FieldError] = (),
    members: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """Answer with a problem document.

    Args:
        problem: Gives the type, title, status and code.
        detail: What happened this time, for people; the title when empty.
        instance: The path that was asked for.
        errors: Faults of single fields, parameters or headers.
        members: Extra facts; they never replace a standard member.
        headers: For example ``Retry-After``.
    """
    body: dict[str, Any] = {
        "type": f"/problems/{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": detail or problem.title,
        "instance": instance,
        "code": problem.code,
        "trace_id": structlog.contextvars.get_contextvars().get("request_id"),
    }
    if listed := [{"pointer": e.pointer, "code": e.code, "detail": e.detail} for e in errors]:
        body["errors"] = listed
    body = {**(members or {}), **body}
    text = json.dumps(body, cls=ProblemEncoder, ensure_ascii=False)
    # A lone surrogate cannot be written in UTF-8; its backslash form is the JSON escape of it.
    response = HttpResponse(
        text.encode("utf-8", "backslashreplace"), content_type=CONTENT_TYPE, status=problem.status
    )
    response["Cache-Control"] = "no-store"
    for name, value in (headers or {}).items():
        response[name] = value
    return response


@require_safe
def problem_page(request: HttpRequest, code: str) -> HttpResponse:
    """What one code means and what to do: GET /problems/<code>, as HTML or JSON."""
    for problem in known_problems():
        if problem.code == code:
            return _page(request, [problem])
    return respond(describe(Missing), instance=request.path)


@require_safe
def problem_index(request: HttpRequest) -> HttpResponse:
    """Every code: GET /problems."""
    return _page(request, sorted(known_problems(), key=lambda problem: problem.code))


def _page(request: HttpRequest, problems: list[Problem]) -> HttpResponse:
    if request.get_preferred_type(["text/html", "application/json"]) == "application/json":
        facts = [_facts(problem) for problem in problems]
        text = json.dumps(facts if len(facts) > 1 else facts[0], indent=2)
        return HttpResponse(text, content_type="application/json")
    sections = format_html_join(
        "\n",
        "<h2>{} <code>{}</code></h2>\n<p>{}</p>\n<p>{}</p>\n<p>{}</p>",
        (
            (p.status, p.code, p.title, "" if p.meaning == p.title else p.meaning, p.what_to_do)
            for p in problems
        ),
    )
    return HttpResponse(
        format_html(
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            "<title>{}</title></head><body>\n<h1>Problem types</h1>\n{}\n</body></html>\n",
            problems[0].code if len(problems) == 1 else "Problem types",
            sections,
        )
    )


def _facts(problem: Problem) -> dict[str, Any]:
    return {
        "type": f"/problems/{problem.code}",
        "code": problem.code,
        "status": problem.status,
        "reason": HTTPStatus(problem.status).phrase,
        "title": problem.title,
        "meaning": problem.meaning,
        "what_to_do": problem.what_to_do,
    }


urlpatterns: list[URLPattern] = [
    path("problems", problem_index, name="problems"),
    path("problems/<slug:code>", problem_page, name="problem"),
]
"""The root urls include this module at the top level, so that ``type`` is an address we serve."""
