"""Stripe in this process: what the SDK sends is held against the description, and answered."""

import json
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import stripe
from django.conf import settings

from tests.payments.gateways.stripe import description, objects


@dataclass(frozen=True)
class Call:
    """A request as Stripe understood it. ``name`` is ``POST /v1/refunds``."""

    name: str
    path: str
    params: Mapping[str, Any]
    key: str | None


@dataclass(frozen=True)
class Refusal:
    """An answer that is an error of Stripe's."""

    status: int
    error: Mapping[str, Any]


class StrictPeer(stripe.HTTPClient):
    """An HTTP client of the SDK without a network.

    It answers with what ``will_answer`` prepared, or with the official example.
    """

    name = "strict"

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self._answers: dict[str, deque[Any]] = defaultdict(deque)

    def will_answer(self, name: str, *answers: Any) -> None:
        """What the next requests of one operation get; the last one for ever."""
        assert name in description.operations(), name
        self._answers[name].extend(answers)

    @property
    def names(self) -> list[str]:
        """What was asked, in order."""
        return [call.name for call in self.calls]

    def only(self, name: str) -> Call:
        """The one request of an operation."""
        (call,) = [call for call in self.calls if call.name == name]
        return call

    def request(  # type: ignore[override]
        self, method: str, url: str, headers: Mapping[str, str], post_data: str | None = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Judge a request and answer it."""
        parts = urlsplit(url)
        assert f"{parts.scheme}://{parts.netloc}" == settings.STRIPE_API_BASE, url
        found = description.operation(method, parts.path)
        _check_headers(method, headers)
        if method == "get":
            assert post_data is None, post_data
        else:
            assert not parts.query, parts.query
        params = found.check((parts.query if method == "get" else post_data) or "")
        # Described, but it would switch off what the account's settings offer the reader.
        assert "payment_method_types" not in json.dumps(params)
        key = headers.get("Idempotency-Key")
        self.calls.append(Call(found.name, parts.path, params, key))
        answer = self._answer(found)
        status = answer.status if isinstance(answer, Refusal) else 200
        body = {"error": answer.error} if isinstance(answer, Refusal) else answer
        return json.dumps(body).encode(), status, {"request-id": f"req_{len(self.calls)}"}

    def close(self) -> None:
        """Nothing to close."""

    def _answer(self, found: description.Operation) -> Any:
        waiting = self._answers[found.name]
        if waiting:
            return waiting.popleft() if len(waiting) > 1 else waiting[0]
        if "$ref" in found.answer:
            return objects.example(found.answer["$ref"].rpartition("/")[2])
        items = found.answer["properties"]["data"]["items"]
        name = description.resolved(items)["properties"]["object"]["enum"][0]
        return objects.page(objects.example(name))


def _check_headers(method: str, headers: Mapping[str, str]) -> None:
    assert headers["Stripe-Version"] == settings.STRIPE_API_VERSION
    assert headers["Authorization"] == f"Bearer {settings.STRIPE_SECRET_KEY}"
    assert "X-Stripe-Client-Telemetry" not in headers
    key = headers.get("Idempotency-Key", "")
    assert bool(key) == (method == "post"), key
    assert len(key) <= 255, key
