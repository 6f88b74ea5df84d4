"""Requests and answers against Stripe's own OpenAPI description."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema_rs import Draft202012Validator, Registry, ValidationError, ValidationErrorKind

from tests.peers.routes import Route
from tests.peers.store import Json

FILE = Path(__file__).resolve().parents[3] / "var" / "specs" / "stripe-openapi-trimmed.json"
ROOT = "urn:stripe"


class WrongRequest(ValueError):
    """What Stripe would refuse to read. ``param`` says where."""

    def __init__(self, message: str, param: str, code: str) -> None:
        super().__init__(message)
        self.param = param
        self.code = code


class Description:
    """The description, with every object strict: a name it does not know is wrong.

    Args:
        document: OpenAPI 3.0, changed in place into JSON Schema 2020-12.
    """

    def __init__(self, document: Json) -> None:
        _strict(document)
        self._registry = Registry([(ROOT, document)])
        self._document = document
        self._validators: dict[str, Draft202012Validator] = {}
        self._schemas: dict[str, Json] = {}

    @classmethod
    def load(cls) -> "Description | None":
        """The one in ``var/specs``; ``None`` when it is not there."""
        return cls(json.loads(FILE.read_text(encoding="utf-8"))) if FILE.exists() else None

    def parameters(self, route: Route, given: Json) -> Json:
        """What was sent, each value of its own type.

        Raises:
            WrongRequest: The description does not allow it.
        """
        schema = self._request_schema(route)
        typed = self._typed(given, schema)
        for error in self._validator(f"request {route.name}", schema).iter_errors(typed):
            raise _wrong_request(error)
        return dict(typed)

    def wrong_in_answer(self, route: Route, status: int, body: Any) -> list[str]:
        """What in an answer is not as described."""
        name = f"answer {route.name} {status < 300}"
        if name not in self._schemas:
            answers = self._document["paths"][route.template][route.method.lower()]["responses"]
            answer = answers["200" if status < 300 else "default"]
            self._schemas[name] = answer["content"]["application/json"]["schema"]
        return self._wrong(name, self._schemas[name], body)

    def wrong_in_object(self, body: Json) -> list[str]:
        """What in an object of the API is not as described, for example in an event."""
        schema = {"$ref": f"#/components/schemas/{body['object']}"}
        return self._wrong(body["object"], schema, body)

    def _request_schema(self, route: Route) -> Json:
        name = f"request {route.name}"
        if name not in self._schemas:
            operation = self._document["paths"][route.template][route.method.lower()]
            if route.method == "POST":
                content = operation["requestBody"]["content"]["application/x-www-form-urlencoded"]
                self._schemas[name] = content["schema"]
            else:
                query = [one for one in operation.get("parameters", []) if one["in"] == "query"]
                self._schemas[name] = {
                    "type": "object",
                    "properties": {one["name"]: one["schema"] for one in query},
                    "required": [one["name"] for one in query if one.get("required")],
                    "additionalProperties": False,
                }
        return self._schemas[name]

    def _wrong(self, name: str, schema: Json, body: Any) -> list[str]:
        return [
            f"{'.'.join(map(str, error.instance_path))}: {error.message}"[:500]
            for error in self._validator(name, schema).iter_errors(body)
        ]

    def _validator(self, name: str, schema: Json) -> Draft202012Validator:
        if name not in self._validators:
            whole = _with_root(schema)
            self._validators[name] = Draft202012Validator(whole, registry=self._registry)
        return self._validators[name]

    def _typed(self, value: Any, schema: Json) -> Any:
        """Texts of a form as what they mean."""
        if "anyOf" in schema:
            return self._typed_by_one(value, schema["anyOf"])
        if isinstance(value, dict):
            known = schema.get("properties", {})
            other = schema.get("additionalProperties") or {}
            return {name: self._typed(part, known.get(name, other)) for name, part in value.items()}
        if isinstance(value, list):
            return [self._typed(part, schema.get("items", {})) for part in value]
        return _typed_text(value, schema)

    def _typed_by_one(self, value: Any, options: list[Json]) -> Any:
        for option in options:
            typed = self._typed(value, option)
            # The options live as long as the description, so that their identity is a name.
            if self._validator(f"option {id(option)}", option).is_valid(typed):
                return typed
        return value


def _wrong_request(error: ValidationError) -> WrongRequest:
    """In Stripe's words where a name is unknown or missing."""
    path = [str(part) for part in error.instance_path]
    message, code = error.message, "parameter_invalid"
    match error.kind:
        case ValidationErrorKind.AdditionalProperties(unexpected=names):
            path.append(min(names))
            message, code = "Received unknown parameter: {}", "parameter_unknown"
        case ValidationErrorKind.Required(property=name):
            path.append(name)
            message, code = "Missing required param: {}.", "parameter_missing"
    param = "".join(f"[{part}]" if place else part for place, part in enumerate(path))
    return WrongRequest(message.replace("{}", param), param, code)


def _typed_text(value: str, schema: Json) -> Any:
    kinds = schema.get("type", "string")
    kind = kinds[0] if isinstance(kinds, list) else kinds
    if kind == "integer" and value.removeprefix("-").isdecimal():
        return int(value)
    if kind == "boolean" and value in {"true", "false"}:
        return value == "true"
    if kind == "number":
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _with_root(schema: Any) -> Any:
    """The same schema, its references made to the whole description."""
    if isinstance(schema, dict):
        return {
            name: ROOT + value
            if name == "$ref" and str(value).startswith("#")
            else _with_root(value)
            for name, value in schema.items()
        }
    if isinstance(schema, list):
        return [_with_root(part) for part in schema]
    return schema


def _strict(node: Any) -> None:
    for schema in _schemas(node):
        if schema.get("type") == "object" and "properties" in schema:
            schema.setdefault("additionalProperties", False)
        if schema.pop("nullable", False):
            if "type" in schema:
                schema["type"] = [schema["type"], "null"]
            if "anyOf" in schema:
                schema["anyOf"].append({"type": "null"})
            if "enum" in schema:
                schema["enum"].append(None)


def _schemas(node: Any) -> Iterator[Json]:
    if isinstance(node, dict):
        # "properties" may have members called so, which are no schemas' own.
        if isinstance(node.get("type"), str) or isinstance(node.get("anyOf"), list):
            yield node
        for value in node.values():
            yield from _schemas(value)
    elif isinstance(node, list):
        for value in node:
            yield from _schemas(value)


@cache
def description() -> Description | None:
    """The one this process uses."""
    return Description.load()
