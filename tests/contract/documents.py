"""The OpenAPI description as JSON Schema, strict: a member that is not described is an error"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft7Validator, FormatChecker  # type: ignore[import-untyped]

type Schema = dict[str, Any]

_METHODS = {"get", "put", "post", "patch", "delete"}


@cache
def description() -> Schema:
    """What /api/schema answers."""
    generator = SchemaGenerator()  # type: ignore[no-untyped-call]
    made: Schema = generator.get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return made


def operations() -> Iterator[tuple[str, str, Schema]]:
    """Method, path and description of every operation below /api/v1."""
    for path, item in description()["paths"].items():
        for method, operation in item.items():
            if method in _METHODS and path.startswith("/api/v1/"):
                yield method.upper(), path, operation


def operation_of(method: str, path: str) -> Schema:
    """The operation that a request is, by its path without the query."""
    found = [
        operation
        for candidate, template, operation in operations()
        if candidate == method and re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), path)
    ]
    assert len(found) == 1, f"{method} {path} is described {len(found)} times"
    return found[0]


def faults_of_body(operation: Schema, body: Any) -> list[str]:
    """What is wrong with the body of a request."""
    content = operation["requestBody"]["content"]
    return _faults(content["application/json"]["schema"], body)


def faults_of_answer(operation: Schema, response: Any, **changes: Any) -> list[str]:
    """What is wrong with an answer: its status, its media type, its members.

    Args:
        changes: Members that stand in for those of the body.
    """
    described = operation["responses"].get(str(response.status_code))
    if described is None:
        return [f"status {response.status_code} is not described"]
    described = _resolved(described)
    media_type = response.headers.get("Content-Type", "")
    if "content" not in described:
        return [] if not response.content else ["no body is described"]
    if media_type not in described["content"]:
        return [f"{media_type} is not described"]
    return _faults(
        described["content"][media_type].get("schema", {}), {**response.json(), **changes}
    )


def _faults(schema: Schema, value: Any) -> list[str]:
    validator = Draft7Validator(_strict(schema), format_checker=FormatChecker())
    return [f"{fault.json_path}: {fault.message}" for fault in validator.iter_errors(value)]


def _resolved(schema: Schema) -> Schema:
    while "$ref" in schema:
        place: Any = description()
        for step in schema["$ref"].removeprefix("#/").split("/"):
            place = place[step]
        schema = place
    return schema


def _strict(schema: Any) -> Any:
    """JSON Schema of an OpenAPI 3.0 schema: references followed, null where it may be."""
    if isinstance(schema, list):
        return [_strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = _resolved(schema)
    made: Schema = {}
    for name, part in schema.items():
        if name == "properties":
            made[name] = {key: _strict(inner) for key, inner in part.items()}
        else:
            made[name] = part if name in {"enum", "example", "default"} else _strict(part)
    if "properties" in schema and "additionalProperties" not in schema:
        made["additionalProperties"] = False
    if made.pop("nullable", False):
        return {"anyOf": [{"type": "null"}, made]}
    return made
