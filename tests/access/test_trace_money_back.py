"""The trace of purchases that were paid back, disputed, lost, or won after all"""

import random
from datetime import timedelta
from uuid import UUID

import pytest
from django.db.models import Sum
from pytest_django import DjangoAssertNumQueries

from access.queries import trace
from access.queries.trace import PurchaseTrace, Totals
from access.services import content, gifts, tips
from legato_payments.lib.money import Money
from payments.ledger import invariants
from payments.models import CoinBalance, CoinLot, Dispute, Purchase, RefundClosing
from payments.services import refund_contradictions
from revenue.models import Earning
from tests import factories, money_back
from tests.clients import PAYMENTS, api
from tests.factories import NOW, READER, WRITER

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=365)
"""When every earning of ``NOW`` has matured."""

AUTHORS = {WRITER: 6_000, "writer-2": 4_000}


def traced(purchase: Purchase) -> PurchaseTrace:
    found = trace.of_purchase(transaction_id=purchase.pk)
    assert found is not None
    return found


def totals_of(purchase: Purchase) -> Totals:
    """Where its value is; wherever it is, it is all there."""
    purchase.refresh_from_db()
    totals = traced(purchase).totals
    assert totals.sum_micros == purchase.value_micros
    return totals


def read(content_id: str, *, coins: int, reader: str = READER) -> None:
    factories.put_content(content_id, price=coins, shares=AUTHORS)
    content.buy(user_id=reader, content_id=content_id, now=NOW, actor=f"user:{reader}")


def earned() -> int:
    """What all writers have, USD micros."""
    return int(Earning.objects.aggregate(sum=Sum("amount_micros", default=0))["sum"])


@pytest.fixture
def purchase() -> Purchase:
    """A Starter Pack of 0.99 USD: 33 of its 100 coins are spent on a chapter of two authors."""
    purchase = factories.buy_coins(name="Starter Pack")
    read("chapter-4", coins=33)
    return purchase


def test_money_paid_back_is_refunded(purchase: Purchase) -> None:
    money_back.pay_back(purchase, "0.25")

    totals = totals_of(purchase)
    assert totals.paid_back_micros == totals.refunded_micros == 257_400  # 26 coins
    assert totals.unspent_micros == 405_900
    assert totals.writers_micros == earned()


def test_a_refund_that_failed_is_unspent_again(purchase: Purchase) -> None:
    money_back.paid_with(purchase, "pm_refund_fails")
    refund = money_back.pay_back(purchase, "0.25")
    assert totals_of(purchase).refunded_micros == 257_400

    money_back.refund_fails(refund)

    totals = totals_of(purchase)
    assert (totals.refunded_micros, totals.unspent_micros) == (0, 663_300)
    restored = CoinLot.objects.latest("id")
    uses = [use for lot in traced(purchase).lots for use in lot.used]
    assert [use.moved_to for use in uses] == [(), (restored.pk,)]


def test_a_refund_leads_to_its_purchase(purchase: Purchase) -> None:
    refund = money_back.pay_back(purchase)

    found = trace.of_purchase(transaction_id=refund.pk)

    assert found is not None
    assert found.purchase == purchase


@pytest.mark.parametrize("policy", Dispute.Policy.values)
def test_a_lost_dispute_gives_the_payer_all_of_it(purchase: Purchase, policy: str) -> None:
    case = money_back.dispute(purchase)
    Dispute.objects.filter(pk=case.pk).update(policy=policy)
    before = totals_of(purchase)
    assert before.refunded_micros == 0  # a dispute that is not decided moves no value

    money_back.lose(case)

    totals = totals_of(purchase)
    assert totals.refunded_micros == 990_000
    assert totals.unspent_micros == 0
    assert totals.writers_micros == earned()
    spent = 326_700
    is_taken = policy == Dispute.Policy.WRITERS
    assert totals.lost.writers_micros == (before.writers_micros if is_taken else 0)
    assert totals.writers_micros == (0 if is_taken else before.writers_micros)
    borne = totals.lost.platform_micros + totals.lost.reader_micros
    assert totals.platform_micros == before.sales_micros - borne
    assert borne == spent - totals.lost.writers_micros
    assert (totals.lost.reader_micros > 0) == (policy == Dispute.Policy.READER)


def test_what_writers_could_have_been_paid_stays_theirs(purchase: Purchase) -> None:
    before = totals_of(purchase).writers_micros

    money_back.lose(money_back.dispute(purchase, now=LATER), now=LATER)

    totals = totals_of(purchase)
    assert totals.writers_micros == before == earned()
    assert totals.platform_micros == -before
    assert totals.refunded_micros == 990_000


@pytest.mark.parametrize("policy", Dispute.Policy.values)
def test_won_after_lost_all_is_as_it_was(purchase: Purchase, policy: str) -> None:
    before = totals_of(purchase)
    case = money_back.dispute(purchase)
    Dispute.objects.filter(pk=case.pk).update(policy=policy)
    money_back.lose(case)

    money_back.win(case)

    assert totals_of(purchase) == before
    assert earned() == before.writers_micros
    assert CoinBalance.objects.get(user_id=READER).coins == 67


def test_lost_after_a_refund_we_lose_what_went_back_twice(purchase: Purchase) -> None:
    money_back.pay_back(purchase, "0.25")

    money_back.lose(money_back.dispute(purchase, amount_minor=99))

    totals = totals_of(purchase)
    assert totals.paid_back_micros == 257_400
    assert totals.lost.value_micros == 990_000
    assert totals.refunded_micros == 1_247_400
    assert totals.platform_micros == -257_400


def test_a_purchase_that_settles_a_debt_is_the_platforms(purchase: Purchase) -> None:
    case = money_back.dispute(purchase)
    Dispute.objects.filter(pk=case.pk).update(policy=Dispute.Policy.READER)
    money_back.lose(case)
    debt = CoinBalance.objects.get(user_id=READER).debt_micros
    assert debt == 326_700

    following = factories.buy_coins(name="Starter Pack")

    totals = totals_of(following)
    assert (totals.debt_micros, totals.platform_micros) == (debt, debt)
    assert totals.unspent_micros == 990_000 - debt


def test_a_purchase_that_a_debt_took_whole_has_no_coins_to_follow() -> None:
    large = factories.buy_coins()
    read("chapter-4", coins=6_000)
    case = money_back.dispute(large)
    Dispute.objects.filter(pk=case.pk).update(policy=Dispute.Policy.READER)
    money_back.lose(case)

    small = factories.buy_coins(name="Starter Pack")

    assert traced(small).lots == ()
    assert totals_of(small).platform_micros == 990_000


def test_the_answer_has_what_disputes_took_under_refunded(purchase: Purchase) -> None:
    money_back.pay_back(purchase, "0.25")
    money_back.lose(money_back.dispute(purchase))

    answer = api(user=READER).get(f"{PAYMENTS}/transactions/{purchase.pk}/trace").json()

    shown = {name: Money.parse(part["amount"], "USD") for name, part in answer["totals"].items()}
    assert set(shown) == {"writers", "platform", "unspent", "refunded"}
    assert sum(money.micros for money in shown.values()) == 990_000
    assert shown["refunded"].micros == 257_400 + 740_000
    kinds = [use["kind"] for lot in answer["lots"] for use in lot["used"]]
    assert kinds == ["spend", "refund", "dispute"]


def test_a_fee_in_another_currency_is_shown_as_such(purchase: Purchase) -> None:
    Purchase.objects.filter(pk=purchase.pk).update(fee_micros=410_000, fee_currency="CAD")

    answer = api(user=READER).get(f"{PAYMENTS}/transactions/{purchase.pk}/trace").json()

    assert answer["fees"] == {"amount": "0.41", "currency": "CAD"}
    assert answer["tax"]["currency"] == "USD"


def test_asks_twice_however_often_it_was_disputed(
    purchase: Purchase, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(3):
        case = money_back.dispute(purchase)
        money_back.lose(case)
        money_back.win(case)

    with django_assert_num_queries(2):
        traced(purchase)


def paid_back_somehow(purchase: Purchase, chance: random.Random) -> None:
    """A refund is paid, or fails, or is paid after it had failed, which is closed at some cost."""
    end = chance.choice(["paid", "failed", *(RefundClosing.Decision.values[:2])])
    method = "pm_card" if end == "paid" else "pm_refund_fails"
    refund = money_back.pay_back(money_back.paid_with(purchase, method), "0.10", goodwill=True)
    if end == "paid":
        return
    money_back.refund_fails(refund)
    if end != "failed":
        refund_contradictions.propose(
            refund_id=money_back.refund_was_paid(refund).pk,
            decision=RefundClosing.Decision(end),
            reason="paid after all",
            actor="staff:1",
            now=NOW,
        )


@pytest.mark.parametrize("seed", range(10))
def test_whatever_happens_the_parts_sum_to_what_was_paid(seed: int) -> None:
    """Random lives of two purchases of one reader, looked at after every step."""
    chance = random.Random(seed)
    purchases = [factories.buy_coins(name=name) for name in ("Starter Pack", "Reader Pack")]
    cases: list[Dispute] = []
    for step in range(12):
        one = chance.choice(purchases)
        one.refresh_from_db()
        wallet = CoinBalance.objects.get(user_id=READER)
        is_rich = wallet.coins > 60 and not wallet.blocked_by
        is_disputed = one.disputes.exclude(booked="NONE").exists()
        left = one.total_micros - one.refunded_micros
        match chance.choice(["read", "tip", "give", "refund", "dispute", "decide", "decide"]):
            case "read" if is_rich:
                read(f"chapter-{step}", coins=chance.randint(1, 60))
            case "tip" if is_rich:
                factories.put_content("tipped")
                tips.send(sender_id=READER, recipient_id=WRITER, coins=20, now=NOW, actor="user:x")
            case "give" if is_rich:
                gifts.send_coins(
                    sender_id=READER, recipient_id="reader-2", coins=5, now=NOW, actor="user:x"
                )
            case "refund" if not is_disputed and left > 100_000:
                paid_back_somehow(one, chance)
            case "dispute" if not is_disputed and left > 0:
                minor = chance.randint(1, left // 10_000)
                cases.append(money_back.dispute(one, amount_minor=minor))
                policy = chance.choice(Dispute.Policy.values)
                Dispute.objects.filter(pk=cases[-1].pk).update(policy=policy)
            case "decide" if cases:
                decide = chance.choice([money_back.lose, money_back.win])
                decide(Dispute.objects.get(pk=chance.choice(cases).pk))
        assert list(invariants.discrepancies()) == []
        for purchase in purchases:
            totals = totals_of(purchase)
            assert min(totals.writers_micros, totals.sales_micros, totals.unspent_micros) >= 0
    assert sum(totals_of(purchase).writers_micros for purchase in purchases) == earned()


def test_a_use_of_the_trace_names_the_kind_of_what_took_the_coins(purchase: Purchase) -> None:
    refund = money_back.pay_back(purchase)

    (lot,) = traced(purchase).lots
    ids: list[UUID] = [use.transaction_id for use in lot.used if use.is_refunded]
    assert ids == [refund.pk]
