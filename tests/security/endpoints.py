"""Every endpoint of the API: a valid request to each, and who may send it (api.md, section 4)"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.transaction import Atomic, atomic, set_rollback

from access.services import content
from legato_payments.lib.api.permissions import SERVICE_SCOPES
from payments.gateways.sandbox import signatures
from payments.models import PaymentMethod
from tests import factories
from tests.clients import ApiClient, api, idempotency_key

READER, OTHER_READER = "reader-1", "reader-2"
WRITER, OTHER_WRITER = "writer-1", "writer-2"
NOBODY = "nobody"

EVENT = json.dumps(
    {"id": "evt_1", "type": "charge.viewed", "created": 0, "data": {"reference": "lp0"}}
).encode()


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A method of a route, with a request that succeeds for those who may.

    Args:
        path: Below /api/v1; names in braces are filled from the world.
        ok: The status of the answer.
        owner: Whose token opens it: of the ``user`` or ``writer`` in the path, of the one whose
            ``transaction`` it is, of the writer who is ``author`` of the content, of nobody, or of
            ``all`` and without a token.
        limited: The user scopes whose limited tokens open it, too.
        services: The service scopes that open it.
        delegated: The service scope that opens it together with an ``act`` of the owner.
        has_key: Whether it takes an Idempotency-Key.
        query: The query parameters it knows, with valid values.
    """

    method: str
    path: str
    ok: int = 200
    body: Any = None
    owner: str = ""
    limited: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    delegated: str = ""
    has_key: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    checks_tokens: bool = True

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


READ, SPEND = frozenset({"coins:read"}), frozenset({"coins:spend"})
DELEGATED = "coins:spend:delegated"
PAGE = {"page_size": "10"}
SPAN = {"from": "2026-11-01T00:00:00Z", "to": "2026-12-01T00:00:00Z"}

CHAPTER = {
    "title": "The Harbour",
    "writers": [{"writer_id": WRITER, "share_bps": 10_000}],
    "word_count": 2_000,
    "published": True,
    "free": False,
    "required_tier": "premium",
    "series_id": "harbour",
    "position": 9,
}
PACKAGE = {
    "name": "Winter Pack",
    "coins": 1_000,
    "bonus_percent": 10,
    "prices": {"USD": "8.99", "CAD": "12.49", "NGN": "12500"},
    "active": False,
}
PURCHASE = {
    "package_id": "01930000-0000-7000-8000-000000000003",
    "currency": "USD",
    "country": "CA",
    "region": "QC",
    "return_url": "https://legato.example/bought",
    "consent": {"immediate_delivery": True, "acknowledged": True},
    "save_payment_method": True,
}
PROFILE = {
    "country": "CA",
    "region": "QC",
    "currency": "CAD",
    "birth_year": 1990,
    "preferred_gateway": "sandbox",
    "email": "reader@example.com",
}
TIP = {"recipient_id": WRITER, "coins": 10, "content_id": "chapter-4", "message": "Bravo!"}

ENDPOINTS = [
    Endpoint(method="GET", path="payments/coin-packages", owner="all", query={"currency": "NGN"}),
    Endpoint(
        method="POST",
        path="payments/coin-packages",
        ok=201,
        body=PACKAGE,
        services=frozenset({"packages:write"}),
        has_key=True,
    ),
    Endpoint(
        method="GET",
        path="payments/coin-packages/{package}",
        owner="all",
        query={"currency": "CAD"},
    ),
    Endpoint(
        method="PATCH",
        path="payments/coin-packages/{package}",
        body={**PACKAGE, "reason": "winter"},
        headers={"If-Match": "*"},
        services=frozenset({"packages:write"}),
    ),
    Endpoint(method="GET", path="payments/currency-rates", owner="all"),
    Endpoint(
        method="GET",
        path="payments/users/{user}/balance",
        owner="user",
        limited=READ,
        services=frozenset({"balances:read"}),
    ),
    Endpoint(
        method="GET",
        path="payments/users/{user}/transactions",
        owner="user",
        limited=READ,
        services=frozenset({"transactions:read"}),
        query={**PAGE, **SPAN, "type": "tip"},
    ),
    Endpoint(
        method="POST",
        path="payments/users/{user}/purchase-coins",
        ok=201,
        body=PURCHASE,
        owner="user",
        limited=SPEND,
        has_key=True,
    ),
    Endpoint(
        method="POST",
        path="payments/users/{user}/confirm-purchase",
        body={"transaction_id": "{purchase}"},
        owner="user",
        limited=SPEND,
        services=frozenset({"purchases:confirm"}),
    ),
    Endpoint(
        method="POST",
        path="payments/users/{user}/spend-coins",
        ok=201,
        body={"content_id": "chapter-5", "expected_price": 10},
        owner="user",
        limited=SPEND,
        delegated=DELEGATED,
        has_key=True,
    ),
    Endpoint(
        method="POST",
        path="payments/users/{user}/send-tip",
        ok=201,
        body=TIP,
        owner="user",
        limited=SPEND,
        has_key=True,
    ),
    Endpoint(
        method="GET",
        path="payments/users/{user}/payment-methods",
        owner="user",
        limited=READ,
        query=PAGE,
    ),
    Endpoint(
        method="DELETE",
        path="payments/users/{user}/payment-methods/{method}",
        ok=204,
        owner="user",
        limited=SPEND,
    ),
    Endpoint(
        method="GET",
        path="payments/users/{user}/profile",
        owner="user",
        limited=READ,
    ),
    Endpoint(
        method="PUT",
        path="payments/users/{user}/profile",
        body=PROFILE,
        headers={"If-Match": "*"},
        owner="user",
        limited=SPEND,
    ),
    Endpoint(
        method="GET",
        path="payments/transactions/{transaction}",
        owner="transaction",
        limited=READ,
        services=frozenset({"transactions:read"}),
    ),
    Endpoint(
        method="GET",
        path="payments/transactions/{paid}/receipt",
        owner="transaction",
        limited=READ,
        services=frozenset({"transactions:read"}),
        query={"format": "pdf"},
    ),
    Endpoint(
        method="GET",
        path="payments/transactions/{transaction}/trace",
        owner="transaction",
        limited=READ,
        services=frozenset({"transactions:read"}),
    ),
    Endpoint(
        method="GET",
        path="payments/users/{user}/spending-analytics",
        owner="user",
        limited=READ,
        services=frozenset({"transactions:read"}),
        query={"period": "2026-11"},
    ),
    Endpoint(
        method="GET",
        path="access/content/chapter-4/analytics",
        owner="author",
        limited=frozenset({"earnings:read"}),
        services=frozenset({"analytics:read"}),
        query={**SPAN, "group_by": "week"},
    ),
    Endpoint(
        method="GET",
        path="payments/transactions/{transaction}/refund",
        owner="transaction",
        limited=READ,
        services=frozenset({"refunds:write"}),
    ),
    Endpoint(
        method="POST",
        path="payments/transactions/{transaction}/refund",
        ok=201,
        body={"reason": "bought by mistake"},
        owner="transaction",
        limited=SPEND,
        services=frozenset({"refunds:write"}),
        has_key=True,
    ),
    Endpoint(
        method="POST",
        path="payments/webhooks/sandbox",
        body=EVENT,
        owner="all",
        checks_tokens=False,
    ),
    Endpoint(
        method="GET",
        path="events",
        services=frozenset({"events:read"}),
        query={"after": "0", "limit": "10", "wait": "0"},
    ),
    Endpoint(
        method="GET",
        path="revenue/writers/{writer}/earnings",
        owner="writer",
        limited=frozenset({"earnings:read"}),
        services=frozenset({"earnings:read"}),
        query={**SPAN, "group_by": "content"},
    ),
    Endpoint(
        method="POST",
        path="revenue/content-purchase/{transaction}/distribute",
        body={},
        services=frozenset({"revenue:write"}),
        has_key=True,
    ),
    Endpoint(
        method="PUT",
        path="access/content",
        body={"items": [{"content_id": "chapter-6", **CHAPTER}]},
        services=frozenset({"catalog:write"}),
    ),
    Endpoint(
        method="PUT",
        path="access/content/{content}",
        body=CHAPTER,
        services=frozenset({"catalog:write"}),
    ),
    Endpoint(
        method="GET",
        path="access/users/{user}/content/{content}/access",
        owner="user",
        limited=READ,
        services=frozenset({"access:read"}),
    ),
    Endpoint(
        method="POST",
        path="access/users/{user}/access-checks",
        body={"content_ids": ["chapter-4", "chapter-5", "no-such-chapter"]},
        owner="user",
        limited=READ,
        services=frozenset({"access:read"}),
    ),
    Endpoint(
        method="POST",
        path="access/users/{user}/content/{content}/purchase",
        ok=201,
        body={"expected_price": 10},
        owner="user",
        limited=SPEND,
        delegated=DELEGATED,
        has_key=True,
    ),
    Endpoint(
        method="POST",
        path="access/users/{user}/tip",
        ok=201,
        body=TIP,
        owner="user",
        limited=SPEND,
        has_key=True,
    ),
    Endpoint(
        method="POST",
        path="access/users/{user}/coin-gifts",
        ok=201,
        body={"recipient_id": OTHER_READER, "coins": 10, "message": "Read on!"},
        owner="user",
        limited=SPEND,
        has_key=True,
    ),
    Endpoint(
        method="GET",
        path="access/users/{user}/purchases",
        owner="user",
        limited=READ,
        services=frozenset({"access:read"}),
        query=PAGE,
    ),
]


@dataclass(frozen=True)
class World:
    """The names that paths and bodies are filled with."""

    user: str
    writer: str
    content: str
    package: str
    purchase: str
    transaction: str
    paid: str
    method: str

    def fill(self, template: str, **others: str) -> str:
        """The template with our names in the place of the braces."""
        filled = template
        for name, value in {**vars(self), **others}.items():
            filled = filled.replace(f"{{{name}}}", value)
        return filled


def make_world() -> World:
    """A reader with coins, a chapter bought, one to buy, a profile, and a purchase not yet paid."""
    paid = factories.buy_coins(READER, "Ultimate Pack", save_method=True)
    factories.buy_coins(OTHER_READER, "Starter Pack")
    factories.put_content("chapter-4", price=10, shares={WRITER: 10_000})
    factories.put_content("chapter-5", price=10, shares={WRITER: 5_000, OTHER_WRITER: 5_000})
    now = datetime.now(UTC)  # a chapter is given back within a day
    bought = content.buy(user_id=READER, content_id="chapter-4", now=now, actor=f"user:{READER}")
    api(user=READER).put(
        f"/api/v1/payments/users/{READER}/profile", PROFILE, headers={"If-None-Match": "*"}
    )
    return World(
        user=READER,
        writer=WRITER,
        content="chapter-5",
        package="01930000-0000-7000-8000-000000000003",
        purchase=str(factories.start_purchase(READER, now=now).pk),
        transaction=str(bought.entitlement.transaction_id),
        paid=str(paid.pk),
        method=str(PaymentMethod.objects.get(user_id=READER).pk),
    )


def send(endpoint: Endpoint, world: World, caller: ApiClient, **names: str) -> Any:
    """Send the valid request of an endpoint; ``names`` stand in for some of the world's."""
    path = f"/api/v1/{world.fill(endpoint.path, **names)}"
    headers = {**endpoint.headers}
    if endpoint.has_key:
        headers |= idempotency_key()
    if isinstance(endpoint.body, bytes):
        headers[signatures.HEADER] = signature(endpoint.body)
        return caller.generic(
            endpoint.method, path, endpoint.body.decode(), "application/json", headers=headers
        )
    body = "" if endpoint.body is None else world.fill(json.dumps(endpoint.body))
    return caller.generic(endpoint.method, path, body, "application/json", headers=headers)


def signature(body: bytes) -> str:
    """The sandbox's signature of a webhook, made now."""
    secret: str = settings.SANDBOX_WEBHOOK_SECRET
    return signatures.sign(body, secret=secret, now=datetime.now(UTC))


def allowed(endpoint: Endpoint, **client: Any) -> ApiClient:
    """A caller who may use the endpoint."""
    if endpoint.owner in {"user", "transaction"}:
        return api(user=READER, **client)
    if endpoint.owner in {"writer", "author"}:
        return api(user=WRITER, roles=["writer"], **client)
    if endpoint.owner == "all":
        return api(**client)
    return api(service="any", scopes=endpoint.services, **client)


def savepoint() -> Atomic:
    """A transaction marked as Django marks the one around a test: nothing in it is inside one."""
    block: Atomic = atomic()
    block._from_testcase = True  # type: ignore[attr-defined]
    return block


@contextmanager
def undone() -> Iterator[None]:
    """Whatever happens inside is as if it had not."""
    with savepoint():
        yield
        set_rollback(True)


UNKNOWN_ID = str(UUID("01930000-0000-7000-8000-00000000dead"))

assert all(endpoint.services <= SERVICE_SCOPES for endpoint in ENDPOINTS)
