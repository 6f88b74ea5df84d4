"""The judge of generated requests notices every kind of wrong answer"""

import json
from typing import Any

import pytest
from werkzeug import Response as WsgiResponse

from legato_payments.lib.api.auth import InvalidToken, verify
from tests.contract import generated, judging
from tests.contract.callers import ANONYMOUS, Caller, service, user
from tests.contract.judging import Request
from tests.security.endpoints import ENDPOINTS, READER, UNKNOWN_ID

HEADERS = {"X-Request-ID": "request-1", "Cache-Control": "no-store"}
JSON, PROBLEM = "application/json", "application/problem+json"
RATES: dict[str, Any] = {"next": None, "previous": None, "results": []}
CONFIRM = "POST payments/users/{user}/confirm-purchase"
WALLET = {"coins": 1, "purchased_coins": 1, "promo_coins": 0, "held_coins": 0}
CONFIRMED = {"transaction_id": UNKNOWN_ID, "status": "pending", "balance": WALLET}
TIP = "POST access/users/{user}/tip"
TIPPED = {"transaction_id": UNKNOWN_ID, "recipient_id": "ann", "coins": 1, "balance": WALLET}


def answer(
    body: Any, status: int = 200, content_type: str = JSON, **headers: str | None
) -> WsgiResponse:
    """An answer of ours, with some headers changed or, when they are None, left out."""
    changed = {name.replace("_", "-"): value for name, value in headers.items()}
    given = {name: value for name, value in {**HEADERS, **changed}.items() if value is not None}
    return WsgiResponse(json.dumps(body), status, given, content_type=content_type)


def problem(status: int, code: str = "validation_error", **headers: str) -> WsgiResponse:
    """A problem document as we write them."""
    body = {
        "type": f"/problems/{code}",
        "title": "No.",
        "status": status,
        "detail": "No.",
        "instance": "/here",
        "code": code,
        "trace_id": "request-1",
    }
    return answer(body, status, PROBLEM, **headers)


def titles(
    app: Any,
    name: str = "GET payments/currency-rates",
    *,
    caller: Caller = ANONYMOUS,
    is_open: bool = True,
    about: str = "",
    is_valid: bool = True,
    body: Any = None,
) -> set[str]:
    """What is wrong with what ``app`` answers to a generated request.

    Args:
        about: How the description of the request begins.
        is_valid: Whether it is one in which nothing is wrong.
    """
    endpoint = next(endpoint for endpoint in ENDPOINTS if str(endpoint) == name)
    cases = generated.cases(generated.load(app), endpoint, examples=1, number=1)
    requests = (Request(endpoint, caller, is_open, case) for case in cases)
    request = next(
        request
        for request in requests
        if request.is_valid == is_valid and request.about.startswith(about)
    )
    if body is not None:
        request.case.body = body
    headers = {**caller.headers}
    response = request.case.call(headers=headers)
    found = judging.faults(request, response, headers, try_without_token=True)
    return {fault.title for fault in found}


WRONG = {
    "a bug of ours": (problem(500, "internal_error"), {"ServerError", "RefusedThoughValid"}),
    "a status nobody expects": (problem(409), {"UndefinedStatusCode"}),
    "a page": (answer(RATES, content_type="text/html"), {"UndefinedContentType"}),
    "no request id": (answer(RATES, X_Request_ID=None), {"MissingHeaders"}),
    "a cached answer": (answer(RATES, Cache_Control="public"), {"JsonSchemaError"}),
    "no time to wait": (
        problem(503, "unavailable"),
        {"MissingHeaders", "ServerError", "RefusedThoughValid"},
    ),
    "a member too many": (answer({**RATES, "surprise": 1}), {"JsonSchemaError"}),
    "a member missing": (answer({"next": None, "results": []}), {"JsonSchemaError"}),
    "a refusal": (problem(400), {"RefusedThoughValid"}),
    "a way elsewhere": (answer({}, 302), {"RefusedThoughValid", "UndefinedStatusCode"}),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_answer_is_noticed(what: str) -> None:
    response, expected = WRONG[what]

    assert titles(response) == expected


def test_a_right_answer_is_fine() -> None:
    assert titles(answer(RATES)) == set()


MISTAKES = {
    "transaction_id: Incorrect type": {"AcceptedNegativeData"},
    "Unspecified HTTP method: DELETE": {"UnsupportedMethodResponse"},
    "Missing required property": {"AcceptedNegativeData"},
}


def test_what_is_right_may_be_done() -> None:
    assert titles(guarded(CONFIRMED), CONFIRM, caller=user(READER)) == set()


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_is_wrong_must_be_refused(mistake: str) -> None:
    found = titles(guarded(CONFIRMED), CONFIRM, caller=user(READER), about=mistake, is_valid=False)

    assert found == MISTAKES[mistake]


def test_a_header_that_is_missing_must_be_missed() -> None:
    found = titles(
        guarded(TIPPED), TIP, caller=user(READER), about="Missing `Idempotency", is_valid=False
    )

    assert found == {"AcceptedNegativeData", "MissingHeaderNotRejected", "UndefinedStatusCode"}


def test_a_token_must_be_asked_for() -> None:
    assert titles(answer(CONFIRMED), CONFIRM, caller=user(READER)) == {"IgnoredAuth"}


def test_nothing_is_done_for_a_stranger() -> None:
    found = titles(guarded(CONFIRMED), CONFIRM, caller=user("reader-2"), is_open=False)

    assert found == {"OpenedToStranger"}


@pytest.mark.parametrize(
    ("status", "expected"), [("invalid", set()), ("stored", {"AcceptedNegativeData"})]
)
def test_an_item_with_something_wrong_must_be_called_invalid(
    status: str, expected: set[str]
) -> None:
    result: dict[str, Any] = {
        "index": 0,
        "content_id": None,
        "status": status,
        "price_coins": None,
        "errors": [],
    }
    app, content_service = guarded({"results": [result]}), service("catalog:write")

    found = titles(app, judging.BULK, caller=content_service, body={"items": [7]})

    assert found == expected


def guarded(body: Any) -> Any:
    """An application that answers ``body`` to everybody with one of our tokens."""

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        try:
            verify(environ.get("HTTP_AUTHORIZATION", "").removeprefix("Bearer "))
        except InvalidToken:
            refusal = problem(401, "unauthenticated", WWW_Authenticate="Bearer")
            return refusal(environ, start_response)
        return answer(body)(environ, start_response)

    return app
