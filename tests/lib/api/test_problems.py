"""Every error answer is a problem document (RFC 9457)."""

from typing import Any

import pytest
from django.db import connection
from django.db.utils import InternalError
from django.test import Client
from rest_framework.exceptions import ErrorDetail

from legato_payments.lib.api import problems
from legato_payments.lib.api.errors import field_errors, problem_response

pytestmark = pytest.mark.urls("tests.lib.api.endpoints")

FAIL = "/api/v1/echo/fail/"


def fail(client: Client, name: str) -> Any:
    return client.post(FAIL + name, content_type="application/json")


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("invalid", 400, "validation_error"),
        ("unauthenticated", 401, "unauthenticated"),
        ("declined", 402, "payment_declined"),
        ("forbidden", 403, "forbidden"),
        ("missing", 404, "not_found"),
        ("conflict", 409, "test_too_few_coins"),
        ("refused", 422, "refused"),
        ("unavailable", 503, "unavailable"),
        ("http404", 404, "not_found"),
        ("denied", 403, "forbidden"),
        ("not_found", 404, "not_found"),
        ("throttled", 429, "rate_limited"),
        ("parse", 400, "validation_error"),
        ("not_acceptable", 406, "not_acceptable"),
        ("suspicious", 400, "bad_request"),
        ("operational", 503, "database_unavailable"),
        ("interface", 503, "database_unavailable"),
        ("uncategorised", 500, "internal_error"),
        ("teapot", 500, "internal_error"),
        ("bug", 500, "internal_error"),
    ],
)
def test_an_exception_becomes_its_status_and_code(
    client: Client, name: str, status: int, code: str
) -> None:
    response = fail(client, name)

    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body["type"] == f"/problems/{code}"
    assert body["code"] == code
    assert body["status"] == status
    assert body["instance"] == FAIL + name
    assert body["title"]
    assert body["detail"]


@pytest.mark.parametrize(
    "name", ["bug", "teapot", "suspicious", "operational", "http404", "denied", "not_found"]
)
def test_an_internal_message_never_reaches_the_caller(client: Client, name: str) -> None:
    response = fail(client, name)

    assert b"secret" not in response.content.lower()


def test_a_refusal_tells_the_facts_behind_it(client: Client) -> None:
    body = fail(client, "conflict").json()

    assert body["title"] == "There are too few coins."
    assert body["detail"] == "100 are needed, 40 are there."
    assert (body["required_coins"], body["available_coins"]) == (100, 40)


def test_facts_never_replace_a_standard_member(client: Client) -> None:
    body = fail(client, "refused").json()

    assert body["status"] == 422
    assert body["minimum"] == {"amount": "0.50", "currency": "USD"}


def test_faults_of_fields_are_listed(client: Client) -> None:
    body = fail(client, "invalid").json()

    assert body["errors"] == [
        {"pointer": "/coins", "code": "too_odd", "detail": "An even number is needed."}
    ]


def test_the_trace_id_is_the_request_id(client: Client) -> None:
    response = client.post(FAIL + "conflict", headers={"x-request-id": "abc-123"})

    assert response.json()["trace_id"] == "abc-123"
    assert response["X-Request-ID"] == "abc-123"


def test_401_names_the_scheme(client: Client) -> None:
    assert fail(client, "unauthenticated")["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("name", "seconds"),
    [("unavailable", "5"), ("unavailable_soon", "17"), ("operational", "5"), ("throttled", "3")],
)
def test_a_passing_failure_says_when_to_come_back(client: Client, name: str, seconds: str) -> None:
    assert fail(client, name)["Retry-After"] == seconds


def test_a_statement_that_runs_out_of_time_is_503(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '10ms'")
        with pytest.raises(Exception, match="statement timeout") as caught:
            cursor.execute("SELECT pg_sleep(1)")

    assert problem_response(caught.value, {}).status_code == 503


def test_a_transaction_that_runs_out_of_time_is_503() -> None:
    class TransactionTimeout(Exception):
        sqlstate = "25P04"

    error = InternalError("terminating connection due to transaction timeout")
    error.__cause__ = TransactionTimeout()

    assert problem_response(error, {}).status_code == 503


def test_a_statement_that_makes_no_sense_is_500(db: None) -> None:
    with connection.cursor() as cursor, pytest.raises(Exception, match="syntax") as caught:
        cursor.execute("SELEKT")

    assert problem_response(caught.value, {}).status_code == 500


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/api", "/api/", "/api/v1/nothing", "/api/v1/echo/", "/api/%00"])
def test_an_unknown_address_is_a_problem_whatever_the_method(
    client: Client, method: str, path: str
) -> None:
    response = client.generic(method, path)

    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "not_found"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FROBNICATE"])
def test_a_wrong_method_is_405_with_the_right_ones(client: Client, method: str) -> None:
    response = client.generic(method, "/api/v1/echo")

    assert response.status_code == 405
    assert response.json()["code"] == "method_not_allowed"
    assert "POST" in response["Allow"]


def test_a_wrong_method_needs_no_token(client: Client) -> None:
    assert client.delete("/api/v1/users/reader-1/balance").status_code == 405


def test_an_unknown_host_is_a_problem_too(client: Client) -> None:
    response = client.get("/api/v1/echo", headers={"host": "evil.example"})

    assert response.status_code == 400
    assert response.json()["code"] == "bad_request"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/plain-failure", 500, "internal_error"),
        ("/api/plain-refusal", 403, "forbidden"),
    ],
)
def test_a_plain_view_under_api_fails_with_a_problem(
    client: Client, path: str, status: int, code: str
) -> None:
    response = client.get(path)

    assert response.status_code == status
    assert response.json()["code"] == code
    assert b"secret" not in response.content


@pytest.mark.parametrize(("path", "status"), [("/pages/none", 404), ("/pages/plain-failure", 500)])
def test_other_pages_keep_djangos_errors(client: Client, path: str, status: int) -> None:
    response = client.get(path)

    assert response.status_code == status
    assert response["Content-Type"].startswith("text/html")


def test_nested_faults_get_json_pointers() -> None:
    word = ErrorDetail("Wrong.", code="wrong")
    detail = {
        "coins": [word],
        "items": [{}, {"writer/id~": [word]}],
        "tags": {2: [word]},
        "price": {"non_field_errors": [word]},
        "non_field_errors": ["Plain words."],
    }

    assert [(e.pointer, e.code) for e in field_errors(detail)] == [
        ("/coins", "wrong"),
        ("/items/1/writer~1id~0", "wrong"),
        ("/tags/2", "wrong"),
        ("/price", "wrong"),
        ("", "invalid"),
    ]


def test_text_that_is_no_utf8_is_still_answered() -> None:
    response = problems.respond(problems.BAD_REQUEST, detail="\ud800 ₦")

    assert b'"\\ud800 \xe2\x82\xa6"' in response.content


def test_a_long_list_of_faults_is_cut_off(client: Client) -> None:
    response = client.post(
        "/api/v1/echo", {f"f{i}": 1 for i in range(500)}, content_type="application/json"
    )

    assert response.status_code == 400
    assert len(response.json()["errors"]) == 100


def test_every_code_has_a_page(client: Client) -> None:
    for code in set(problems.known_codes()):
        response = client.get(f"/problems/{code}", headers={"accept": "text/html"})

        assert response.status_code == 200
        assert f"<code>{code}</code>" in response.content.decode()


def test_a_page_is_json_to_who_wants_json(client: Client) -> None:
    response = client.get("/problems/test_too_few_coins", headers={"accept": "application/json"})

    assert response.json()["status"] == 409
    assert response.json()["title"] == "There are too few coins."
    assert response.json()["meaning"] == "The wallet holds fewer coins than the price."
    assert response.json()["what_to_do"]


def test_the_index_lists_every_code(client: Client) -> None:
    page = client.get("/problems").content.decode()

    assert all(f"<code>{code}</code>" in page for code in problems.known_codes())


@pytest.mark.parametrize("path", ["/problems/none", "/problems/<script>", "/problems/a/b"])
def test_an_unknown_code_has_none(client: Client, path: str) -> None:
    response = client.get(path)

    assert response.status_code == 404
    assert response.json()["code"] == "not_found"


def test_a_subclass_without_its_own_code_is_no_new_problem() -> None:
    codes = problems.known_codes()

    assert len(codes) == len(set(codes))
