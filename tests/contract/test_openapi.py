"""What the API says is what the OpenAPI description says it says"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from legato_payments.lib.throttling import limiter
from legato_payments.lib.throttling.policies import RateClass
from payments.gateways import base
from payments.gateways.sandbox.gateway import SandboxGateway
from payments.queries import wallets
from tests import factories
from tests.clients import PAYMENTS, api
from tests.contract import documents
from tests.factories import NOW
from tests.ledger import books
from tests.security.endpoints import (
    CHAPTER,
    ENDPOINTS,
    NOBODY,
    READER,
    UNKNOWN_ID,
    Endpoint,
    World,
    allowed,
    make_world,
    send,
)

pytestmark = pytest.mark.django_db

USER = f"{PAYMENTS}/users/{READER}"
ACCESS = f"/api/v1/access/users/{READER}"
SERVICE = {"service": "any", "scopes": ["catalog:write", "packages:write", "transactions:read"]}


@pytest.fixture
def world() -> World:
    """Two readers, two writers, and what the requests are about."""
    return make_world()


def assert_described(response: Any) -> None:
    """The answer is one that the description allows, to the last member."""
    request = response.wsgi_request
    operation = documents.operation_of(request.method, request.path)
    faults = documents.faults_of_answer(operation, response)
    assert not faults, (request.method, request.path, faults, response.content[:500])


def test_every_endpoint_is_described_and_nothing_else() -> None:
    described = [operation["operationId"] for _, _, operation in documents.operations()]

    ours = {
        documents.operation_of(endpoint.method, f"/api/v1/{endpoint.path}")["operationId"]
        for endpoint in ENDPOINTS
    }

    assert sorted(described) == sorted(ours)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
def test_a_request_and_its_answer_are_as_described(endpoint: Endpoint, world: World) -> None:
    response = send(endpoint, world, allowed(endpoint))

    assert response.status_code == endpoint.ok
    assert_described(response)
    operation = documents.operation_of(endpoint.method, response.wsgi_request.path)
    if endpoint.body and not isinstance(endpoint.body, bytes):
        body = json.loads(world.fill(json.dumps(endpoint.body)))
        assert documents.faults_of_body(operation, body) == []
    assert ({} not in operation["security"]) == (endpoint.owner != "all")
    assert ({"bearerAuth": []} in operation["security"]) == endpoint.checks_tokens


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
def test_the_query_parameters_described_are_those_that_are_taken(endpoint: Endpoint) -> None:
    operation = documents.operation_of(endpoint.method, f"/api/v1/{endpoint.path}")

    described = {p["name"] for p in operation.get("parameters", []) if p["in"] == "query"}

    # A cursor cannot be made up, so no valid request has one.
    assert described - {"cursor"} == set(endpoint.query)


def test_lists_with_something_in_them_are_as_described(world: World) -> None:
    books.give(40, expires_at=NOW.replace(year=2_099))
    reader = api(user=READER)
    factories.put_content("dear", price=100_000, required_tier="VIP")
    reader.keyed(f"{USER}/spend-coins", {"content_id": "chapter-5"})
    reader.keyed(f"{USER}/send-tip", {"recipient_id": "writer-1", "coins": 10})
    reader.keyed(f"{USER}/spend-coins", {"content_id": "chapter-5"})

    for path in (
        f"{USER}/balance",
        f"{USER}/transactions?page_size=2",
        f"{USER}/payment-methods",
        f"{ACCESS}/purchases?page_size=1",
        f"{ACCESS}/content/dear/access",
    ):
        response = reader.get(path)
        assert response.status_code == 200
        assert_described(response)
    for group_by in ("stream", "content", "month"):
        writer = api(user="writer-1", roles=["writer"])
        assert_described(
            writer.get(f"/api/v1/revenue/writers/writer-1/earnings?group_by={group_by}")
        )
    items = [{"content_id": "chapter-7", **CHAPTER}, {"content_id": 7}, 7]
    assert_described(api(**SERVICE).put("/api/v1/access/content", {"items": items}))  # type: ignore[arg-type]


def test_what_is_owned_already_is_as_described(world: World) -> None:
    again = api(user=READER).keyed(f"{USER}/spend-coins", {"content_id": "chapter-4"})

    assert again.status_code == 200
    assert_described(again)


def _problems(world: World) -> dict[int, Any]:
    """One answer for every way a request can be refused."""
    reader, service = api(user=READER), api(**SERVICE)  # type: ignore[arg-type]
    spend, package = f"{USER}/spend-coins", f"{PAYMENTS}/coin-packages/{world.package}"
    wrong_price = {"content_id": "chapter-5", "expected_price": 1}
    return {
        400: reader.keyed(spend, {"content_id": 7, "colour": "red"}),
        401: api().get(f"{USER}/balance"),
        403: api(user=NOBODY).get(f"{USER}/balance"),
        404: service.get(f"{PAYMENTS}/transactions/{UNKNOWN_ID}"),
        406: reader.get(f"{USER}/balance", headers={"Accept": "image/png"}),
        409: reader.keyed(spend, wrong_price),
        411: reader.generic("POST", spend, headers={"Transfer-Encoding": "chunked"}),
        412: service.patch(package, {"name": "x"}, headers={"If-Match": '"old"'}),
        413: reader.keyed(spend, {"content_id": "x" * 300_000}),
        415: reader.post(spend, "a=1", content_type="text/plain"),
        422: reader.keyed(f"{USER}/send-tip", {"recipient_id": READER, "coins": 10}),
        428: service.patch(package, {"name": "x"}),
        # No exchange rates are here.
        503: reader.keyed(f"{USER}/purchase-coins", {"coins": 500, "currency": "CAD"}),
    }


def _failures(patch: pytest.MonkeyPatch) -> dict[int, Any]:
    """One answer for every way something can go wrong that no request can bring about."""
    purchase = {"coins": 500, "currency": "USD"}
    patch.setattr(SandboxGateway, "create_charge", _decline)
    declined = api(user=READER).keyed(f"{USER}/purchase-coins", purchase)
    patch.setattr(wallets, "balance", lambda **_: 1 // 0)
    broken = api(user=READER, raise_request_exception=False).get(f"{USER}/balance")
    return {402: declined, 500: broken}


def _decline(*_args: Any, **_kwargs: Any) -> None:
    raise base.Declined("The card was declined.", gateway="SANDBOX", code="card_declined")


@pytest.fixture
def _one_request_an_hour(settings: Any) -> Iterator[None]:
    settings.RATE_LIMITS_ENABLED = True
    settings.RATE_LIMITS = dict.fromkeys(RateClass, "1/3600")
    limiter._limiter.cache_clear()
    yield
    limiter._limiter.cache_clear()


@pytest.mark.usefixtures("_one_request_an_hour")
def test_limits_are_told_as_described() -> None:
    fine, refused = (api().get(f"{PAYMENTS}/currency-rates") for _ in range(2))

    for response, status in ((fine, 200), (refused, 429)):
        assert response.status_code == status
        assert {"RateLimit", "RateLimit-Policy"} <= response.headers.keys()
        assert_described(response)


def test_every_problem_is_as_described(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {**_problems(world), **_failures(monkeypatch)}

    for status, response in answers.items():
        assert response.status_code == status
        assert_described(response)
        assert response.headers["Content-Type"] == "application/problem+json"
    described = documents.description()["components"]["responses"]
    assert {f"Problem{status}" for status in (*answers, 429)} == set(described)


def test_the_check_notices_an_answer_that_is_not_as_described(world: World) -> None:
    response = api(user=READER).get(f"{USER}/balance")
    operation = documents.operation_of("GET", f"{USER}/balance")
    for change in (
        {"surprise": 1},
        {"coins": "10"},
        {"money_equivalent": {"amount": "1,00", "currency": "USD"}},
        {"expiring": [{"coins": 1}]},
        {"lifetime": None},
    ):
        assert documents.faults_of_answer(operation, response, **change)
