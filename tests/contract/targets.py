"""What generated requests are about: ids that exist, so that they get past the first check"""

import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from schemathesis import Case
from schemathesis.core.parameters import ParameterLocation

from access.services import content, gifts, refunds, tips
from payments.services import events, purchase_outcomes
from tests import factories
from tests.clients import PAYMENTS, api, idempotency_key
from tests.contract.callers import Caller
from tests.ledger import books
from tests.security.endpoints import (
    CHAPTER,
    NOBODY,
    OTHER_READER,
    OTHER_WRITER,
    READER,
    UNKNOWN_ID,
    WRITER,
    make_world,
)

type Values = dict[str, list[Any]]

ACTOR = f"user:{READER}"
OFTEN = 0.7
"""How often a value that is valid anyway gives way to one that exists."""

LEFT_OUT = object()
"""Stands for a member that most requests do without."""


@dataclass(frozen=True)
class Targets:
    """Values that mean something, by the name of a path's parameter or a body's member."""

    path: Values
    query: Values
    body: Values
    rng: random.Random

    def aim(self, case: Case[Any], caller: Caller) -> None:
        """Let a request be about something; what is meant to be wrong with it stays wrong."""
        if _is_valid_at(case, ParameterLocation.PATH):
            for name in case.path_parameters:
                case.path_parameters[name] = self._in_path(name, caller)
        if _is_valid_at(case, ParameterLocation.QUERY):
            case.query = self._with_known(case.query, self.query)
        if _is_valid_at(case, ParameterLocation.HEADER):
            self._aim_headers(case)
        if _is_valid_at(case, ParameterLocation.BODY) and isinstance(case.body, dict):
            case.body = self._with_known(case.body, self.body)

    def _in_path(self, name: str, caller: Caller) -> Any:
        if name in {"user_id", "writer_id"} and caller.user_id:
            # Strangers ask for what is another's.
            return caller.user_id if caller.user_id != NOBODY else READER
        return self.rng.choice(self.path[name])

    def _with_known(self, given: dict[str, Any], known: Values) -> dict[str, Any]:
        aimed = {
            name: self.rng.choice(known[name])
            if name in known and self.rng.random() < OFTEN
            else value
            for name, value in given.items()
        }
        return {name: value for name, value in aimed.items() if value is not LEFT_OUT}

    def _aim_headers(self, case: Case[Any]) -> None:
        if "Idempotency-Key" in case.headers and self.rng.random() < OFTEN:
            fresh = UUID(int=self.rng.getrandbits(128), version=4)
            case.headers.update(idempotency_key(str(fresh)))
        if "If-Match" in case.headers and self.rng.random() < OFTEN:
            case.headers["If-Match"] = "*"
            case.headers.pop("If-None-Match", None)


def make_targets(rng: random.Random) -> Targets:
    """A reader with everything a reader can have, two writers, chapters of all kinds."""
    world = make_world()
    now = datetime.now(UTC)
    factories.rates(now)
    books.give(40, expires_at=now + timedelta(days=9), now=now)
    chapters = _chapters(now)
    sales = [_buy(content_id, now) for content_id in chapters[:18]]
    tip = tips.send(sender_id=READER, recipient_id=WRITER, coins=25, now=now, actor=ACTOR)
    gift = gifts.send_coins(
        sender_id=READER, recipient_id=OTHER_READER, coins=30, now=now, actor=ACTOR
    )
    refunds.refund(transaction_id=UUID(sales[0]), reason="by mistake", actor=ACTOR, now=now)
    purchases = _purchases(now)
    events.publish(now=now)
    moved = [str(tip.tip.transaction_id), str(gift.gift.transaction_id)]
    return Targets(
        path={
            "user_id": [READER, READER, READER, OTHER_READER],
            "writer_id": [WRITER, WRITER, OTHER_WRITER],
            "content_id": [*chapters, "chapter-4", "chapter-5", "chapter-unknown"],
            "transaction_id": [world.transaction, *sales, *moved, *purchases, UNKNOWN_ID],
            "package_id": [f"01930000-0000-7000-8000-00000000000{n}" for n in (1, 2, 3, 4, 5, 9)],
            "provider": ["sandbox", "sandbox", "stripe"],
            "method_id": [world.method, UNKNOWN_ID],
        },
        query={"cursor": _cursors(), "after": ["0", "3"], "period": [f"{now:%Y-%m}", "2026-11"]},
        body={
            "content_id": [*chapters, "chapter-unknown"],
            "content_ids": [chapters, [*chapters, "chapter-unknown", "chapter-4"]],
            "recipient_id": [WRITER, OTHER_WRITER, OTHER_READER],
            "coins": [1, 10, 25, 120],
            "expected_price": [10, 10, 11],
            "package_id": [f"01930000-0000-7000-8000-00000000000{n}" for n in (1, 2, 3, 4, 5, 9)],
            "transaction_id": [world.purchase, *purchases, UNKNOWN_ID],
            "payment_method_id": [LEFT_OUT, LEFT_OUT, world.method, UNKNOWN_ID],
            "return_url": ["https://legato.example/bought"],
            "writers": [CHAPTER["writers"], _shares(6_000, 4_000)],
            "items": [[_item("chapter-7"), _item("chapter-41")], [_item("chapter-42"), {}, 7]],
            "read_percent": [LEFT_OUT, 0, 12],
            "amount": [LEFT_OUT],
            "prices": [{"USD": "8.99"}, {"USD": "8.99", "CAD": "12.49", "NGN": "12500"}],
        },
        rng=rng,
    )


def _cursors() -> list[str]:
    """The ways from the first page to the second and back, of both lists."""
    reader, found = api(user=READER), []
    for path in (
        f"{PAYMENTS}/users/{READER}/transactions",
        f"/api/v1/access/users/{READER}/purchases",
    ):
        first = reader.get(f"{path}?page_size=3").json()
        second = reader.get(first["next"]).json()
        links = (first["next"], second["previous"])
        found += [parse_qs(urlsplit(link).query)["cursor"][0] for link in links]
    return found


def _is_valid_at(case: Case[Any], location: ParameterLocation) -> bool:
    meta = case.meta
    assert meta is not None
    component = meta.components.get(location)
    return component is not None and component.mode.is_positive


def _chapters(now: datetime) -> list[str]:
    names = [f"chapter-{number}" for number in range(6, 36)]
    for name in names:
        factories.put_content(name, shares={WRITER: 7_000, OTHER_WRITER: 3_000}, now=now)
    factories.put_content("chapter-free", price=0, now=now)
    factories.put_content("chapter-dear", price=100_000, required_tier="VIP", now=now)
    factories.put_content("chapter-hidden", is_published=False, now=now)
    return [*names, "chapter-free", "chapter-dear", "chapter-hidden"]


def _buy(content_id: str, now: datetime) -> str:
    bought = content.buy(user_id=READER, content_id=content_id, now=now, actor=ACTOR)
    return str(bought.entitlement.transaction_id)


def _purchases(now: datetime) -> list[str]:
    paid = [factories.buy_coins(READER, currency=unit, now=now) for unit in ("USD", "NGN")]
    waiting, failed = (factories.start_purchase(READER, now=now) for _ in range(2))
    purchase_outcomes.fail(failed.pk, "card_declined", now=now)
    return [str(purchase.pk) for purchase in (*paid, waiting, failed)]


def _shares(*shares: int) -> list[dict[str, Any]]:
    return [
        {"writer_id": writer, "share_bps": share}
        for writer, share in zip((WRITER, OTHER_WRITER), shares, strict=True)
    ]


def _item(content_id: str) -> dict[str, Any]:
    item: dict[str, Any] = json.loads(json.dumps({"content_id": content_id, **CHAPTER}))
    return item
