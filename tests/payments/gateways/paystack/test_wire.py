"""The official description refuses what it does not know, or these tests would prove little"""

from typing import Any

import pytest
import requests
from openapi_core.exceptions import OpenAPIError

from tests.payments.gateways.paystack.wire import BASE, Wire, require_described

GOOD = {"email": "a@legato.example", "amount": 5_000, "currency": "NGN", "metadata": {}}
KEYED = {"Authorization": "Bearer sk_test_1"}


def asked(method: str, path: str, **more: Any) -> requests.PreparedRequest:
    return requests.Request(method, f"{BASE}{path}", **{"headers": KEYED, **more}).prepare()


def test_allows_what_is_described(wire: Wire) -> None:
    require_described(asked("POST", "/transaction/initialize", json=GOOD))
    require_described(asked("GET", "/dispute/12/upload_url", params={"upload_filename": "a.txt"}))
    with pytest.raises(OpenAPIError):
        require_described(asked("POST", "/transaction/initialize", json={}))


@pytest.mark.parametrize(
    "request_",
    [
        asked("POST", "/transaction/initialize", json={**GOOD, "amount": "5000"}),
        asked("POST", "/transaction/initialize", json={**GOOD, "currency": "CAD"}),
        asked("POST", "/transaction/initialize", json={**GOOD, "metadata": "{}"}),
        asked("POST", "/transaction/initialize", json=GOOD, headers={}),
        asked("PUT", "/transaction/initialize", json=GOOD),
        asked("GET", "/transaction/initialise"),
        asked("GET", "/dispute/abc"),
        asked("GET", "/refund", params={"from": "yesterday"}),
        asked("GET", "/transaction", params={"status": "paid"}),
        asked("GET", "/balance/ledger", params={"perPage": "many"}),
    ],
    ids=lambda request: f"{request.method} {request.path_url} {request.body!r}",
)
def test_refuses_what_is_against_the_description(
    request_: requests.PreparedRequest, wire: Wire
) -> None:
    with pytest.raises(OpenAPIError):
        require_described(request_)


@pytest.mark.parametrize(
    "request_",
    [
        asked("POST", "/transaction/initialize", json={**GOOD, "idempotency_key": "1"}),
        asked("GET", "/transaction", params={"perPage": "100"}),
        asked("GET", "/refund", params={"transaction": "1"}),
    ],
    ids=lambda request: f"{request.method} {request.path_url}",
)
def test_refuses_what_the_description_does_not_mention(
    request_: requests.PreparedRequest, wire: Wire
) -> None:
    with pytest.raises(AssertionError, match="unknown"):
        require_described(request_)
