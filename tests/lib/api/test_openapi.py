"""The OpenAPI description says what the declarations say."""

import re
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from legato_payments.lib.api import text


@pytest.fixture
def schema() -> Any:
    """The description of the endpoints of these tests."""
    generator: Any = SchemaGenerator(urlconf="tests.lib.api.endpoints")  # type: ignore[no-untyped-call]
    return generator.get_schema(request=None, public=True)


def test_it_is_valid(schema: Any) -> None:
    validate_schema(schema)  # type: ignore[no-untyped-call]


def test_every_operation_answers_with_problems(schema: Any) -> None:
    for item in schema["paths"].values():
        for operation in item.values():
            for status in ("400", "406", "411", "429", "500", "503"):
                reference = operation["responses"][status]["$ref"]
                assert reference == f"#/components/responses/Problem{status}"
    answer = schema["components"]["responses"]["Problem409"]
    assert list(answer["content"]) == ["application/problem+json"]
    assert "Problem" in schema["components"]["schemas"]


def test_an_operation_answers_with_nothing_else(schema: Any) -> None:
    echo = schema["paths"]["/api/v1/echo"]

    always = {"200", "400", "401", "406", "411", "429", "500", "503"}
    assert set(echo["get"]["responses"]) == always
    assert set(echo["post"]["responses"]) == always - {"200"} | {"201", "413", "415"}


def test_what_parameters_bring_is_answered_where_they_are(schema: Any) -> None:
    profile = schema["paths"]["/api/v1/users/{user_id}/profile"]

    assert {"412", "428"} <= set(profile["put"]["responses"])
    assert {"If-Match", "If-None-Match"} <= {p["name"] for p in profile["put"]["parameters"]}
    assert {"412", "428"}.isdisjoint(profile["get"]["responses"])
    assert "x-problems" not in str(schema)


def test_every_answer_says_its_headers(schema: Any) -> None:
    problems = schema["components"]["responses"]
    answer = schema["paths"]["/api/v1/echo"]["get"]["responses"]["200"]

    always = {"X-Request-ID", "Cache-Control", "RateLimit-Policy", "RateLimit"}
    assert set(answer["headers"]) == always
    assert set(problems["Problem400"]["headers"]) == always
    assert set(problems["Problem401"]["headers"]) == always | {"WWW-Authenticate"}
    for status in ("429", "503"):
        assert set(problems[f"Problem{status}"]["headers"]) == always | {"Retry-After"}


def test_a_public_operation_needs_no_token_and_others_do(schema: Any) -> None:
    # A token that is shown must be good, even where none is needed.
    assert schema["paths"]["/api/v1/echo"]["get"]["security"] == [{}, {"bearerAuth": []}]
    assert {"401"} == {"401", "403"} & set(schema["paths"]["/api/v1/echo"]["get"]["responses"])

    balance = schema["paths"]["/api/v1/users/{user_id}/balance"]["get"]
    assert balance["security"] == [{"bearerAuth": []}]
    assert {"401", "403", "404"} <= set(balance["responses"])
    assert schema["components"]["securitySchemes"]["bearerAuth"]["scheme"] == "bearer"


def test_declared_query_parameters_are_described(schema: Any) -> None:
    parameters = schema["paths"]["/api/v1/echo"]["get"]["parameters"]

    assert {p["name"] for p in parameters if p["in"] == "query"} == {
        "from",
        "size",
        "cursor",
        "page_size",
    }


def test_fields_are_described_by_their_form(schema: Any) -> None:
    form = schema["components"]["schemas"]["EchoInputRequest"]
    properties = form["properties"]

    assert form["additionalProperties"] is False
    assert properties["price"]["properties"]["currency"]["enum"] == ["CAD", "NGN", "USD"]
    assert properties["tags"]["items"]["pattern"] == "^[A-Za-z0-9._:-]{1,64}$"
    assert properties["note"]["pattern"] == text.PATTERN


def test_an_amount_that_is_sent_is_more_than_zero(schema: Any) -> None:
    amount = schema["components"]["schemas"]["EchoInputRequest"]["properties"]["price"]
    pattern = re.compile(amount["properties"]["amount"]["pattern"])

    assert [a for a in ("0", "0.00", "-1", "1.0000000") if pattern.search(a)] == []
    assert all(pattern.search(a) for a in ("0.01", "1", "10", "0.000001"))
