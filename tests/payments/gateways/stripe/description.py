"""Stripe's own description of its API, made strict, as the judge of our requests.

Strict: no object may have members that are not described, also deep inside.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from jsonschema import Draft202012Validator, FormatChecker

from tests import specs

type Schema = Mapping[str, Any]

FILE = "stripe-openapi-trimmed.json"
FORM = "application/x-www-form-urlencoded"
MAX_EXPAND_LEVELS = 4

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)")
_KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]+\])*)")

FORMATS = FormatChecker(formats=())


@FORMATS.checks("currency")
def _is_currency(value: object) -> bool:
    return re.fullmatch("[a-z]{3}", str(value)) is not None


class NotAsDescribed(AssertionError):
    """A request that Stripe's description does not allow."""


@dataclass(frozen=True)
class Operation:
    """One of Stripe's operations.

    Args:
        template: The path with its parameters' names, ``/v1/refunds/{refund}``.
        params: The schema of the query (GET) or of the form (POST).
        answer: The schema of the answer.
    """

    method: str
    template: str
    params: Schema
    answer: Schema

    @property
    def name(self) -> str:
        """``POST /v1/refunds``."""
        return f"{self.method} {self.template}"

    def check(self, encoded: str) -> dict[str, Any]:
        """The parameters of a query or form, in their types.

        Raises:
            NotAsDescribed: Not decodable, not described, or of the wrong type.
        """
        params = coerced(decoded(encoded), self.params)
        errors = [
            f"{self.name} {error.json_path}: {error.message[:300]}"
            for error in _validator(self.name).iter_errors(params)
        ]
        errors += [
            f"{self.name}: cannot expand {path}"
            for path in params.get("expand", [])
            if not _can_expand(path.split("."), self.answer)
        ]
        if errors:
            raise NotAsDescribed("\n".join(errors))
        return dict(params)


def operation(method: str, path: str) -> Operation:
    """The operation of a request.

    Raises:
        NotAsDescribed: There is none.
    """
    for found in operations().values():
        pattern = re.sub(r"\{[^}]+\}", "[^/]+", found.template)
        if found.method == method.upper() and re.fullmatch(pattern, path):
            return found
    raise NotAsDescribed(f"{method} {path}")


@cache
def operations() -> dict[str, Operation]:
    """All of them by name, paths without parameters first."""
    paths = specs.load(FILE)["paths"]
    made = [
        Operation(method.upper(), template, _params(method, item), _answer(item))
        for template, methods in sorted(paths.items(), key=lambda entry: entry[0].count("{"))
        for method, item in methods.items()
    ]
    return {operation.name: operation for operation in made}


def schema(name: str) -> Schema:
    """One of the description's schemas."""
    found: Schema = specs.load(FILE)["components"]["schemas"][name]
    return found


def resolved(part: Schema) -> Schema:
    """What a reference leads to; anything else as it is."""
    return schema(part["$ref"].rpartition("/")[2]) if "$ref" in part else part


def decoded(encoded: str) -> dict[str, Any]:
    """A form or query as nested dictionaries of text; the keys of lists are their numbers."""
    made: dict[str, Any] = {}
    for key, value in parse_qsl(encoded, keep_blank_values=True, strict_parsing=bool(encoded)):
        match = _KEY.fullmatch(key)
        if match is None:
            raise NotAsDescribed(f"no key of a form: {key}")
        parts = [match[1], *re.findall(r"\[([^\[\]]+)\]", match[2])]
        place = made
        for part in parts[:-1]:
            place = place.setdefault(part, {})
        if parts[-1] in place:
            raise NotAsDescribed(f"twice: {key}")
        place[parts[-1]] = value
    return made


def coerced(value: Any, described: Schema) -> Any:
    """Text turned into what the schema says it is; left as it is where that is not possible."""
    if "anyOf" in described:
        tries = [(coerced(value, option), option) for option in described["anyOf"]]
        fitting = (made for made, option in tries if _fits(made, option))
        return next(fitting, value)
    read = _READERS.get(described.get("type", ""))
    return read(value, described) if read else value


def _integer(value: Any, described: Schema) -> Any:
    return int(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value


def _boolean(value: Any, described: Schema) -> Any:
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def _array(value: Any, described: Schema) -> Any:
    if not isinstance(value, dict) or list(value) != [str(n) for n in range(len(value))]:
        return value
    return [coerced(item, described["items"]) for item in value.values()]


def _object(value: Any, described: Schema) -> Any:
    if not isinstance(value, dict):
        return value
    members = described.get("properties", {})
    others = described.get("additionalProperties") or {}
    return {name: coerced(item, members.get(name, others)) for name, item in value.items()}


_READERS: dict[str, Callable[[Any, Schema], Any]] = {
    "integer": _integer,
    "boolean": _boolean,
    "array": _array,
    "object": _object,
}


def strict(part: Any) -> Any:
    """A schema of OpenAPI 3.0 as JSON Schema, whose objects allow no members of their own."""
    if isinstance(part, list):
        return [strict(item) for item in part]
    if not isinstance(part, dict):
        return part
    made = {name: strict(value) for name, value in part.items() if name != "nullable"}
    if isinstance(made.get("properties"), dict) and "additionalProperties" not in made:
        made["additionalProperties"] = False
    return {"anyOf": [made, {"type": "null"}]} if part.get("nullable") is True else made


def _params(method: str, item: Schema) -> Schema:
    if method == "post":
        body = item.get("requestBody", {}).get("content", {}).get(FORM, {})
        return dict(strict(body.get("schema", {"type": "object", "properties": {}})))
    query = [entry for entry in item.get("parameters", []) if entry["in"] == "query"]
    members = {entry["name"]: entry["schema"] for entry in query}
    required = [entry["name"] for entry in query if entry.get("required")]
    return dict(strict({"type": "object", "properties": members, "required": required}))


def _answer(item: Schema) -> Schema:
    found: Schema = item["responses"]["200"]["content"]["application/json"]["schema"]
    return found


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(operations()[name].params, format_checker=FORMATS)


def _fits(value: Any, described: Schema) -> bool:
    return Draft202012Validator(described, format_checker=FORMATS).is_valid(value)


def _can_expand(path: list[str], described: Schema) -> bool:
    if len(path) > MAX_EXPAND_LEVELS:
        return False
    for part in path:
        options = [resolved(option) for option in _options(resolved(described))]
        members = [o["properties"][part] for o in options if part in o.get("properties", {})]
        if not members:
            return False
        described = members[0]
        if described.get("type") == "array":
            described = described["items"]
    # Only what may be an id or an object can be expanded.
    kinds = [option.get("type") for option in described.get("anyOf", [])]
    return "string" in kinds and None in kinds


def _options(described: Schema) -> list[Schema]:
    return list(described.get("anyOf", [described]))
