"""Requests against Paystack's OpenAPI description; answers against its samples.

Nineteen of the 39 official examples break the official schema, so an answer is only asked to have
the members that the samples, or the schema, name.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from openapi_core import OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.exceptions import OpenAPIError
from werkzeug.datastructures import Headers, ImmutableMultiDict

from tests.peers.routes import Route
from tests.peers.store import Json
from tests.peers.web import Request

FOLDER = Path(__file__).resolve().parents[3] / "var" / "specs"
FILE = FOLDER / "paystack-openapi-trimmed.npm.json"
SAMPLES = FOLDER / "paystack-sample-responses.json"
HOST = "https://api.paystack.co"

SAMPLE_OF = {
    "transaction.initialize": "transactions/initialize",
    "transaction.verify": "transactions/verify",
    "transaction.fetch": "transactions/fetch",
    "transaction.charge_authorization": "transactions/charge_authorization",
    "refund.create": "refunds/create",
    "refund.retry": "refunds/retry",
    "dispute.fetch": "disputes/fetch",
    "dispute.transaction": "disputes/transaction",
    "dispute.resolve": "disputes/resolve",
    "dispute.evidence": "disputes/evidence",
    "dispute.upload_url": "disputes/upload-url",
    "settlement.list": "settlements/list",
    "balance.fetch": "transfers-control/balance",
    "balance.ledger": "transfers-control/balance-ledger",
    "bank.list": "miscellaneous/bank",
    "bank.resolve": "verification/resolve-account",
}

ALSO_DOCUMENTED = {
    "transaction.list": {"perPage", "customer"},
    "refund.list": {"transaction", "reference", "currency"},
    "settlement.list": {"from", "to", "status", "subaccount"},
    "settlement.transactions": {"perPage", "page", "from", "to"},
    "dispute.upload_url": {"upload_filename"},
}
"""Query parameters that Paystack's website names and its OpenAPI description does not."""


@dataclass
class Described:
    """A request in the form ``openapi-core`` takes."""

    host_url: str
    path: str
    method: str
    parameters: RequestParameters
    content_type: str
    body: bytes | None


class Description:
    """The description and the samples."""

    def __init__(self, document: Json, samples: Json) -> None:
        self._document = document
        self._openapi = OpenAPI.from_dict(document)
        self._samples = samples

    def wrong_in_request(self, route: Route, request: Request) -> str:
        """What in a request is not as described; empty when nothing is."""
        described = Described(
            host_url=HOST,
            path=request.path,
            method=request.method.lower(),
            parameters=RequestParameters(
                query=ImmutableMultiDict(parse_qsl(request.query, keep_blank_values=True)),
                header=Headers([("Authorization", request.header("Authorization"))]),
            ),
            content_type=request.content_type or "application/json",
            body=request.body or None,
        )
        try:
            self._openapi.validate_request(described)
        except OpenAPIError as wrong:
            cause = wrong.__cause__
            details = "; ".join(error.message for error in getattr(cause, "schema_errors", ()))
            return details or f"{wrong} {cause or ''}".strip()
        return self._unknown(route, request)

    def wrong_in_answer(self, route: Route, status: int, body: Any) -> list[str]:
        """What a good answer lacks, or what makes an error unlike Paystack's."""
        if not isinstance(body, dict) or body.get("status") is not (status < 300):
            return [f"status {status}, but the body says {body}"[:300]]
        if not isinstance(body.get("message"), str):
            return ["no message"]
        if status >= 300:
            return []
        data = body.get("data")
        first = data[0] if isinstance(data, list) and data else data
        if not isinstance(first, dict) or first.get("paused"):
            return []
        return [f"data.{name} is missing" for name in sorted(self._expected(route) - set(first))]

    def _unknown(self, route: Route, request: Request) -> str:
        operation = self._operation(route)
        known = {one["name"] for one in operation.get("parameters", []) if one["in"] == "query"}
        known |= ALSO_DOCUMENTED.get(route.name, set())
        given = {name for name, _ in parse_qsl(request.query, keep_blank_values=True)}
        if "requestBody" in operation:
            schema = self._whole(operation["requestBody"]["content"]["application/json"]["schema"])
            known |= set(_members(self._document, schema))
            given |= set(request.json())
        unknown = sorted(given - known)
        return f"not described: {', '.join(unknown)}" if unknown else ""

    def _operation(self, route: Route) -> Json:
        return dict(self._document["paths"][route.template][route.method.lower()])

    def _whole(self, node: Json) -> Json:
        while "$ref" in node:
            target: Any = self._document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            node = target
        return node

    @cache  # noqa: B019 - one description lives as long as the process
    def _expected(self, route: Route) -> set[str]:
        """The members of ``data``, or of what it lists, by the sample and the schema."""
        if sample := self._samples.get(SAMPLE_OF.get(route.name, "")):
            data = sample["200"]["data"]["data"]
            return set(data[0] if isinstance(data, list) else data)
        answer = self._whole(self._operation(route)["responses"]["200"])
        schema = self._whole(answer["content"]["application/json"]["schema"])
        data = self._whole(_members(self._document, schema).get("data", {}))
        if "items" in data:
            data = self._whole(data["items"])
        return set(data.get("required", []))


def _members(document: Json, schema: Json) -> Json:
    """The properties of a schema, also of one that is put together."""
    members = dict(schema.get("properties", {}))
    for part in schema.get("allOf", []):
        target: Any = part
        if "$ref" in part:
            target = document
            for name in part["$ref"].removeprefix("#/").split("/"):
                target = target[name]
        members |= _members(document, target)
    return members


@cache
def description() -> Description | None:
    """The one this process uses; ``None`` when ``var/specs`` lacks it."""
    if not FILE.exists():
        return None
    samples = json.loads(SAMPLES.read_text(encoding="utf-8")) if SAMPLES.exists() else {}
    document = json.loads(FILE.read_text(encoding="utf-8"))
    return Description(document, samples.get("responses", {}))
