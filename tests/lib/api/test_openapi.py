"""The OpenAPI description says what the declarations say."""

from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema


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
            for status in ("400", "429", "503"):
                reference = operation["responses"][status]["$ref"]
                assert reference == f"#/components/responses/Problem{status}"
    answer = schema["components"]["responses"]["Problem409"]
    assert list(answer["content"]) == ["application/problem+json"]
    assert "Problem" in schema["components"]["schemas"]


def test_a_public_operation_needs_no_token_and_others_do(schema: Any) -> None:
    assert schema["paths"]["/api/v1/echo"]["get"]["security"] == [{}]
    assert "401" not in schema["paths"]["/api/v1/echo"]["get"]["responses"]

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
