"""Requests that Schemathesis makes up from the OpenAPI description"""

from collections.abc import Iterator
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.schemas import OpenApiSchema

from legato_payments.wsgi import application
from tests.contract import documents
from tests.security.endpoints import Endpoint


def load(app: Any = application) -> OpenApiSchema:
    """Our description as Schemathesis reads it. Requests go to ``app``, which is in this process.

    Make one for each seed: it remembers what it has tried, and goes on from there.
    """
    made = schemathesis.openapi.from_dict(
        documents.closed_description(), config=schemathesis.Config()
    )
    made.app = app
    # A precondition is one more way to refuse, and what is not there has none.
    for check, more in (
        (made.config.checks.negative_data_rejection, ("412", "428")),
        (made.config.checks.missing_required_header, ("404", "428")),
    ):
        check.expected_statuses = [*check.expected_statuses, *more]
    # Tokens are ours to send.
    made.config.generation.with_security_parameters = False
    return made


def operation_of(schema: OpenApiSchema, endpoint: Endpoint) -> APIOperation[Any, Any, Any, Any]:
    """The operation that an endpoint of our own table is."""
    found = documents.find_operation(endpoint.method, f"/api/v1/{endpoint.path}")
    assert found is not None, endpoint
    return schema[found[0]][endpoint.method]


def cases(
    schema: OpenApiSchema, endpoint: Endpoint, *, examples: int, number: int
) -> Iterator[Case[Any]]:
    """Requests to an endpoint: every boundary of its description, and ``examples`` at random.

    Args:
        examples: Of each kind: valid ones, and ones with something wrong.
        number: The seed.
    """
    operation = operation_of(schema, endpoint)
    yield from schema.iter_coverage_cases(
        operation,
        generation_modes=list(GenerationMode),
        generation_config=schema.config.generation_for(operation=operation, phase="coverage"),
        extra_data_source=None,
        error_feedback=None,
        session=None,
    )
    for mode in GenerationMode:
        yield from _random_cases(operation, mode, examples, number)


def _random_cases(
    operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, examples: int, number: int
) -> list[Case[Any]]:
    drawn: list[Case[Any]] = []

    @seed(number)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def draw(case: Case[Any]) -> None:
        drawn.append(case)

    try:
        draw()
    except Unsatisfiable:
        # An operation that takes nothing cannot be asked wrongly.
        assert mode.is_negative, operation.label
    return drawn
