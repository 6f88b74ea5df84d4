"""POST /payments/transactions/{id}/refund with a purchase of coins: money back"""

from datetime import timedelta
from typing import Any

import pytest

from legato_payments.lib import clock
from legato_payments.lib.ids import uuid7
from payments.gateways.base import Ambiguous
from payments.gateways.sandbox.gateway import SandboxGateway
from payments.models import CoinBalance, Purchase, Refund
from payments.services import refunds
from tests import factories
from tests.clients import PAYMENTS, api
from tests.factories import READER
from tests.ledger import books

pytestmark = pytest.mark.django_db


def bought(user_id: str = READER, **order: Any) -> Purchase:
    return factories.start_purchase(
        user_id, "Starter Pack", saved_method="pm_card", now=clock.now(), **order
    )


def ask(purchase: Purchase, body: dict[str, Any] | None = None, **caller: Any) -> Any:
    who = caller.pop("who", None) or api(user=READER)
    key = caller.pop("key", str(uuid7()))
    wanted = {"reason": "changed my mind", **(body or {})}
    return who.keyed(f"{PAYMENTS}/transactions/{purchase.pk}/refund", wanted, key=key)


def test_the_unused_coins_go_back_to_money() -> None:
    purchase = bought()

    answer = ask(purchase)

    assert answer.status_code == 202, answer.content
    assert answer.json() == {
        "refund_id": str(Refund.objects.get().pk),
        "status": "succeeded",
        "money": {"amount": "0.99", "currency": "USD"},
        "coins_taken": 100,
    }
    shown = api(user=READER).get(f"{PAYMENTS}/transactions/{purchase.pk}").json()
    assert shown["status"] == "refunded"
    history = api(user=READER).get(f"{PAYMENTS}/users/{READER}/transactions?type=refund").json()
    assert [row["coins"] for row in history["results"]] == [-100]


def test_a_part_by_its_amount() -> None:
    purchase = bought()

    answer = ask(purchase, {"amount": {"amount": "0.50", "currency": "USD"}})

    assert answer.json()["money"] == {"amount": "0.50", "currency": "USD"}
    assert answer.json()["coins_taken"] == 51
    shown = api(user=READER).get(f"{PAYMENTS}/transactions/{purchase.pk}").json()
    assert shown["status"] == "partially_refunded"


def test_a_retry_gets_the_same_answer_and_moves_nothing() -> None:
    purchase = bought()
    first = ask(purchase, key="once")
    before = books.fingerprint()

    again = ask(purchase, key="once")

    assert (again.status_code, again.content) == (202, first.content)
    assert again["Idempotent-Replayed"] == "true"
    assert books.fingerprint() == before


def test_a_gateway_that_does_not_answer_does_not_fail_the_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    purchase = bought()

    def lost(*_args: Any, **_kwargs: Any) -> Any:
        raise Ambiguous("no answer", gateway="SANDBOX")

    with monkeypatch.context() as patch:
        patch.setattr(SandboxGateway, "refund", lost)
        answer = ask(purchase)

    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    made = Refund.objects.get()
    refunds.poll(refund_id=made.pk, now=clock.now() + timedelta(minutes=2))
    made.refresh_from_db()
    assert made.status == Refund.Status.SUCCEEDED


@pytest.mark.parametrize(
    ("amount", "status", "code"),
    [
        ({"amount": "5.00", "currency": "USD"}, 422, "amount_too_large"),
        ({"amount": "0.50", "currency": "CAD"}, 422, "currency_mismatch"),
        ({"amount": "0.0050", "currency": "USD"}, 422, "amount_too_small"),
        ({"amount": "-1.00", "currency": "USD"}, 400, "validation_error"),
        ({"amount": "0", "currency": "USD"}, 400, "validation_error"),
        ("0.50", 400, "validation_error"),
    ],
)
def test_refuses_an_amount_that_cannot_be(amount: Any, status: int, code: str) -> None:
    purchase = bought()
    before = books.fingerprint()

    answer = ask(purchase, {"amount": amount})

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.content
    assert books.fingerprint() == before


def test_anothers_purchase_is_like_none() -> None:
    purchase = bought("somebody")
    before = books.fingerprint()

    answer = ask(purchase)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert books.fingerprint() == before


def test_after_fourteen_days_the_support_has_to_be_asked() -> None:
    purchase = bought()
    Purchase.objects.update(settled_at=clock.now() - timedelta(days=15))
    before = books.fingerprint()

    answer = ask(purchase)

    assert (answer.status_code, answer.json()["code"]) == (422, "money_refund_window_over")
    assert answer.json()["window_days"] == 14
    assert books.fingerprint() == before


@pytest.mark.parametrize(("country", "status"), [("US", 409), ("DE", 202)])
def test_who_owes_us_may_still_withdraw_but_asks_no_favour(country: str, status: int) -> None:
    purchase = bought(country=country)
    CoinBalance.objects.update(blocked_by="dispute:0")
    before = books.fingerprint()

    answer = ask(purchase)

    assert answer.status_code == status, answer.content
    if status == 409:
        assert answer.json()["code"] == "wallet_blocked"
        assert books.fingerprint() == before


def test_what_was_never_paid_is_not_paid_back() -> None:
    purchase = factories.start_purchase(now=clock.now())

    answer = ask(purchase)

    assert (answer.status_code, answer.json()["code"]) == (409, "purchase_not_paid")


def test_a_service_may_ask_for_a_reader() -> None:
    purchase = bought()

    answer = ask(purchase, who=api(service="support", scopes=["refunds:write"]))

    assert answer.status_code == 202
    assert Refund.objects.get().requested_by == "service:support"
