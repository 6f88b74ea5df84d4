"""GET /payments/transactions/{id}/refund: what giving it back would do, before it is asked for"""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from access.services import content, reversals
from legato_payments.lib import clock
from legato_payments.lib.ids import uuid7
from legato_payments.lib.money import Money
from payments.models import Purchase, Refund
from tests import factories, money_back
from tests.clients import PAYMENTS, api
from tests.factories import READER
from tests.ledger import books

pytestmark = pytest.mark.django_db

NOTHING = {"money": None, "tax": None, "coins": 0, "ground": None}


def bought(name: str = "Starter Pack", **order: Any) -> Purchase:
    purchase = factories.start_purchase(
        READER, name, saved_method="pm_card", now=clock.now(), **order
    )
    assert purchase.status == Purchase.Status.SUCCEEDED
    return purchase


def read(coins: int) -> UUID:
    factories.put_content("chapter", price=coins, now=clock.now())
    sale = content.buy(user_id=READER, content_id="chapter", now=clock.now(), actor="user:x")
    assert sale.entitlement.transaction_id is not None
    return sale.entitlement.transaction_id


def see(transaction_id: object, **who: Any) -> Any:
    """The preview; looking at it moves nothing."""
    before = books.fingerprint()
    answer = api(**(who or {"user": READER})).get(
        f"{PAYMENTS}/transactions/{transaction_id}/refund"
    )
    assert books.fingerprint() == before
    return answer


def shown(transaction_id: object) -> dict[str, Any]:
    answer = see(transaction_id)
    assert answer.status_code == 200, answer.content
    body: dict[str, Any] = answer.json()
    assert body.pop("transaction_id") == str(transaction_id)
    return body


def test_says_what_the_request_then_does() -> None:
    factories.register("CA", now=clock.now())
    factories.register("CA-QC", now=clock.now())
    factories.rates(clock.now())
    purchase = bought("Enthusiast Pack", currency="CAD", country="CA", region="QC")
    read(320)

    preview = shown(purchase.pk)

    asked = api(user=READER).keyed(
        f"{PAYMENTS}/transactions/{purchase.pk}/refund", {"reason": "enough"}, key="k"
    )
    made = Refund.objects.get()
    assert asked.json()["money"] == preview["money"] == {"amount": "12.18", "currency": "CAD"}
    assert asked.json()["coins_taken"] == preview["coins"] == 1_000
    assert Money.parse(preview["tax"]["amount"], "CAD").micros == made.tax_micros > 0
    assert (preview["refundable"], preview["reason"]) == (True, None)
    assert preview["ground"] == made.kind.lower() == "unused"


def test_names_the_right_of_withdrawal_and_its_end() -> None:
    purchase = bought(country="DE")
    assert purchase.settled_at is not None

    preview = shown(purchase.pk)

    assert preview["ground"] == "withdrawal"
    until = purchase.settled_at + timedelta(days=14)
    assert preview["withdrawal_until"][:19] == until.isoformat()[:19]


@pytest.mark.parametrize(
    ("country", "consent"),
    [("US", None), ("DE", {"immediate_delivery": True, "acknowledged": True})],
)
def test_without_that_right_unused_coins_go_back_all_the_same(country: str, consent: Any) -> None:
    purchase = bought(country=country, consent=consent)

    preview = shown(purchase.pk)

    assert (preview["refundable"], preview["ground"]) == (True, "unused")
    assert preview["withdrawal_until"] is None


class TestRefusals:
    """The code is the one that the request would be answered with."""

    def refused(self, transaction_id: object, code: str) -> dict[str, Any]:
        preview = shown(transaction_id)
        path = f"{PAYMENTS}/transactions/{transaction_id}/refund"
        asked = api(user=READER).keyed(path, {"reason": "x"}, key=str(uuid7()))
        assert asked.json()["code"] == preview["reason"] == code
        assert preview["refundable"] is False
        assert {name: preview[name] for name in NOTHING} == NOTHING
        return preview

    def test_every_coin_is_used_though_the_right_stands(self) -> None:
        purchase = bought(country="DE")
        read(100)

        preview = self.refused(purchase.pk, "nothing_to_refund")

        assert preview["withdrawal_until"] is not None

    def test_it_went_back_before(self) -> None:
        purchase = bought()
        money_back.pay_back(purchase, now=clock.now())

        self.refused(purchase.pk, "already_refunded")

    def test_the_bank_decides(self) -> None:
        purchase = bought()
        money_back.dispute(purchase, now=clock.now())

        self.refused(purchase.pk, "purchase_disputed")

    def test_the_time_is_over(self) -> None:
        purchase = bought(country="DE")
        Purchase.objects.update(settled_at=clock.now() - timedelta(days=15))

        preview = self.refused(purchase.pk, "money_refund_window_over")

        assert preview["withdrawal_until"] is None

    def test_a_tip_or_a_gift_is_not_taken_back(self) -> None:
        purchase = bought()
        refund = money_back.pay_back(purchase, now=clock.now())

        self.refused(refund.pk, "not_reversible")

    def test_a_chapter_was_given_back_before(self) -> None:
        bought()
        sale = read(33)
        reversals.reverse(transaction_id=sale, actor="staff:1", reason="x", now=clock.now())

        self.refused(sale, "already_refunded")

    def test_a_chapter_was_paid_with_coins_that_are_gone(self) -> None:
        purchase = bought()
        sale = read(33)
        money_back.lose(money_back.dispute(purchase, now=clock.now()), now=clock.now())

        self.refused(sale, "purchase_disputed")


def test_a_chapter_brings_its_coins() -> None:
    bought()
    sale = read(33)

    assert shown(sale) == {
        **NOTHING,
        "refundable": True,
        "reason": None,
        "coins": 33,
        "ground": "content",
        "withdrawal_until": None,
    }


@pytest.mark.parametrize("who", [{"user": "reader-2"}, {"user": "writer-1"}])
def test_anothers_transaction_is_like_none(who: dict[str, str]) -> None:
    purchase = bought()

    anothers, unknown = see(purchase.pk, **who), see(uuid7(), **who)

    assert (anothers.status_code, unknown.status_code) == (404, 404)
    assert anothers.json()["detail"] == unknown.json()["detail"]
