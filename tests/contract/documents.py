"""The OpenAPI description as JSON Schema, strict: a member that is not described is an error"""

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft7Validator, FormatChecker

type Schema = dict[str, Any]

_METHODS = {"get", "put", "post", "patch", "delete"}


@cache
def description() -> Schema:
    """What /api/schema answers."""
    generator = SchemaGenerator()  # type: ignore[no-untyped-call]
    made: Schema = generator.get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return made


def closed_description() -> Schema:
    """The same, where answers hold no other members than those described.

    Callers are told to expect more, so that there can be more one day; until then there are not.
    """
    made = copy.deepcopy(description())
    made["components"]["schemas"] = {
        name: _closed(form) for name, form in made["components"]["schemas"].items()
    }
    return made


@cache
def operations() -> list[tuple[str, str, Schema]]:
    """Method, path and description of every operation below /api/v1."""
    return [
        (method.upper(), path, operation)
        for path, item in description()["paths"].items()
        for method, operation in item.items()
        if method in _METHODS and path.startswith("/api/v1/")
    ]


def operation_of(method: str, path: str) -> Schema:
    """The operation that a request is, by its path without the query."""
    found = find_operation(method, path)
    assert found is not None, f"{method} {path} is not described"
    return found[1]


def find_operation(method: str, path: str) -> tuple[str, Schema] | None:
    """The operation that a request is, if it is one, after its path with names in braces."""
    found = [
        (template, operation)
        for candidate, template, operation in operations()
        if candidate == method and _pattern(template).fullmatch(path)
    ]
    assert len(found) <= 1, f"{method} {path} is described {len(found)} times"
    return found[0] if found else None


@cache
def documented_codes() -> dict[str, int]:
    """The codes of problems in docs/api.md, each with its status."""
    text = (Path(settings.BASE_DIR) / "docs" / "api.md").read_text()
    rows = re.findall(r"^\| `([a-z0-9_]+)` \| ([0-9]{3}) \|", text, re.MULTILINE)
    return {code: int(status) for code, status in rows}


def faults_of_body(operation: Schema, body: Any) -> list[str]:
    """What is wrong with the body of a request."""
    content = operation["requestBody"]["content"]
    return _faults(_validator(content["application/json"]["schema"]), body)


def faults_of(component: str, value: Any) -> list[str]:
    """What is wrong with a value that should be as a component describes it."""
    return _faults(_component(component), value)


def faults_of_answer(operation: Schema, response: Any, **changes: Any) -> list[str]:
    """What is wrong with an answer: its status, its headers, its media type, its members.

    Args:
        changes: Members that stand in for those of the body.
    """
    answer = _answers(operation["operationId"]).get(str(response.status_code))
    if answer is None:
        return [f"status {response.status_code} is not described"]
    return list(answer.faults(response, changes))


def faults_of_unknown(response: Any) -> list[str]:
    """What is wrong with the answer to a request that is no operation."""
    if response.status_code not in {404, 405}:
        return [f"status {response.status_code} of something that is not described"]
    return list(_not_found().faults(response, {}))


@dataclass(frozen=True)
class _Header:
    is_required: bool
    is_integer: bool
    validator: Any

    def faults(self, value: str | None) -> list[str]:
        if value is None:
            return ["is missing"] if self.is_required else []
        is_number = self.is_integer and value.isdecimal()
        return _faults(self.validator, int(value) if is_number else value)


@dataclass(frozen=True)
class _Answer:
    """What is described for one status; ``bodies`` by media type, empty where there is no body."""

    headers: Mapping[str, _Header]
    bodies: Mapping[str, Any]

    @classmethod
    def read(cls, described: Schema) -> "_Answer":
        """From the description of a response."""
        described = _resolved(described)
        headers = {name: _resolved(header) for name, header in described["headers"].items()}
        return cls(
            headers={
                name: _Header(
                    is_required=header.get("required", False),
                    is_integer=header["schema"]["type"] == "integer",
                    validator=_validator(header["schema"]),
                )
                for name, header in headers.items()
            },
            bodies={
                media_type: _validator(content["schema"])
                for media_type, content in described.get("content", {}).items()
            },
        )

    def faults(self, response: Any, changes: Schema) -> Iterator[str]:
        for name, header in self.headers.items():
            found = header.faults(response.headers.get(name))
            yield from (f"{name} {fault}" for fault in found)
        media_type = response.headers.get("Content-Type", "")
        if not self.bodies:
            if response.content:
                yield "no body is described"
        elif media_type not in self.bodies:
            yield f"{media_type} is not described"
        else:
            yield from _faults(self.bodies[media_type], {**response.json(), **changes})


@cache
def _answers(operation_id: str) -> dict[str, _Answer]:
    for _, _, operation in operations():
        if operation["operationId"] == operation_id:
            return {
                status: _Answer.read(response)
                for status, response in operation["responses"].items()
            }
    raise AssertionError(operation_id)


@cache
def _component(name: str) -> Any:
    return _validator({"$ref": f"#/components/schemas/{name}"})


@cache
def _not_found() -> _Answer:
    return _Answer.read({"$ref": "#/components/responses/Problem404"})


@cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"{\w+}", "[^/]+", path))


def _validator(schema: Schema) -> Any:
    return Draft7Validator(_strict(schema), format_checker=FormatChecker())


def _faults(validator: Any, value: Any) -> list[str]:
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
    schema = _closed(_resolved(schema))
    made: Schema = {}
    for name, part in schema.items():
        if name == "properties":
            made[name] = {key: _strict(inner) for key, inner in part.items()}
        else:
            made[name] = part if name in {"enum", "example", "default"} else _strict(part)
    if made.pop("nullable", False):
        return {"anyOf": [{"type": "null"}, made]}
    return made


def _closed(schema: Schema) -> Schema:
    """The schema of an object without other members than those it names."""
    # A rule about some members, such as what ``not`` forbids, says nothing of a type.
    if schema.get("type") == "object" and "properties" in schema:
        return {"additionalProperties": False, **schema}
    return schema
