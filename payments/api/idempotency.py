"""The Idempotency-Key header: how a view runs what must happen once.

In a view, after the body has been parsed::

    return idempotency.local(request, lambda: Response(..., status=201))
    return idempotency.remote(request, lambda object_id: Response(...))
"""

import hashlib
import json
import re
from collections.abc import Callable
from uuid import UUID

from django.db.transaction import atomic
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from legato_payments.lib import clock
from legato_payments.lib.api.auth import Principal, principal_of
from legato_payments.lib.api.errors import problem_response
from legato_payments.lib.api.openapi import PROBLEMS
from legato_payments.lib.errors import DomainError, FieldError, Invalid
from legato_payments.lib.metrics import IDEMPOTENCY
from payments import idempotency
from payments.idempotency import Answer, KeyedRequest, Outcome

HEADER = "Idempotency-Key"

REPLAYED_HEADER = "Idempotent-Replayed"

_KEY = re.compile(r'"([!#-~]{1,255})"|([!#-~][!-~]{0,254})')
"""Visible ASCII, bare or in double quotes (a string of RFC 9651, without escapes)."""


def parameters(*, required: bool = True) -> list[OpenApiParameter]:
    """For ``@extend_schema(parameters=...)`` on every action that uses ``local`` or ``remote``."""
    key = OpenApiParameter(
        HEADER,
        location=OpenApiParameter.HEADER,
        required=required,
        pattern=f"^({_KEY.pattern})$",
        description="1 to 255 visible ASCII characters, new for each intent. A repeat of the same "
        f"request gets the first answer again, with `{REPLAYED_HEADER}: true`.",
        # The key is in use, or belongs to another request.
        extensions={PROBLEMS: [409, 422]},
    )
    replayed = OpenApiParameter(
        REPLAYED_HEADER, location=OpenApiParameter.HEADER, enum=["true"], response=True
    )
    return [key, replayed]


_KEPT_HEADERS = ("Location", "ETag", "Retry-After")


class KeyMissing(Invalid):
    """The operation moves or reserves value, so it needs a key. Send a new one per intent."""

    code = "idempotency_key_missing"
    title = "This operation needs an Idempotency-Key header."


def local(
    request: Request,
    handler: Callable[[], Response],
    *,
    required: bool = True,
    refuses_first: bool = False,
) -> HttpResponse:
    """Run ``handler`` in one transaction with the stored answer; a repeat gets that answer.

    Refusals are raised, never returned. ``handler`` may run again when the database gave up on
    the transaction. Without a key, where none is ``required``, it simply runs in a transaction.
    One that ``refuses_first`` writes nothing before it refuses.

    Raises:
        KeyMissing: 400; the key is required.
        Invalid: 400; the key is not 1 to 255 visible ASCII characters.
        InProgress: 409; a twin is running.
        KeyReused: 422; the key belongs to another request.
    """
    keyed = _keyed(request, required=required)
    if keyed is None:
        with atomic():
            return _respond(Outcome(_answer(handler())))
    return _counted(
        lambda: idempotency.run_local(
            keyed,
            now=clock.now(),
            execute=lambda: _answer(handler()),
            refuse=lambda error: _refusal(error, request),
            refuses_first=refuses_first,
        )
    )


def remote(request: Request, handler: Callable[[UUID], Response]) -> HttpResponse:
    """Run ``handler`` outside any transaction, on an object id that survives a crash.

    The key is always required. ``handler`` gets the id of what it makes (a uuid7); on a retry,
    the same id again, and it must resume what is there. Refusals are raised, never returned.

    Raises:
        KeyMissing, Invalid, InProgress, KeyReused: As ``local``.
    """
    keyed = _keyed(request, required=True)
    assert keyed is not None
    return _counted(
        lambda: idempotency.run_remote(
            keyed,
            now=clock.now(),
            execute=lambda object_id: _answer(handler(object_id)),
            refuse=lambda error: _refusal(error, request),
        )
    )


def _keyed(request: Request, *, required: bool) -> KeyedRequest | None:
    header = request.headers.get(HEADER)
    if header is None and not required:
        return None
    key = (header or "").strip()
    if not key and required:
        raise KeyMissing
    # An empty key where none is needed is a caller's bug: whoever sends one counts on it.
    match = _KEY.fullmatch(key)
    if match is None:
        detail = "Must be 1 to 255 visible ASCII characters, bare or in double quotes."
        raise Invalid(errors=[FieldError(HEADER, "invalid", detail)])
    return KeyedRequest(
        scope=_digest(_scope(principal_of(request))),
        key=match[1] or match[2],
        fingerprint=_digest([request.method, request.path, request.data]),
    )


def _scope(principal: Principal) -> list[str | None]:
    return [principal.issuer, principal.client_id, principal.subject, principal.act]


def _digest(value: object) -> str:
    # Canonical: the order of keys and the spaces between them make no other request. Decimals, the
    # only values here that JSON does not know, are written as they were sent.
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _answer(response: Response) -> Answer:
    assert response.status_code < 400, "raise a refusal, so that its effect is undone"
    # Rendered here and not by DRF, which does it after the view: these bytes are what is stored.
    body = b"" if response.data is None else JSONRenderer().render(response.data)
    return _kept(response, body, "application/json")


def _refusal(error: DomainError, request: Request) -> Answer:
    response = problem_response(error, {"request": request})
    return _kept(response, response.content, response["Content-Type"])


def _kept(response: HttpResponse, body: bytes, content_type: str) -> Answer:
    headers = {name: response[name] for name in _KEPT_HEADERS if response.has_header(name)}
    return Answer(response.status_code, {"Content-Type": content_type, **headers}, body)


def _counted(run: Callable[[], Outcome]) -> HttpResponse:
    result = "failed"
    try:
        outcome = run()
        result = "replayed" if outcome.replayed else "executed"
    except idempotency.InProgress:
        result = "in_progress"
        raise
    except idempotency.KeyReused:
        result = "reused"
        raise
    finally:
        IDEMPOTENCY.labels(result=result).inc()
    return _respond(outcome)


def _respond(outcome: Outcome) -> HttpResponse:
    answer = outcome.answer
    response = HttpResponse(answer.body, status=answer.status, headers=dict(answer.headers))
    response["Cache-Control"] = "no-store"
    if outcome.replayed:
        response[REPLAYED_HEADER] = "true"
    return response
