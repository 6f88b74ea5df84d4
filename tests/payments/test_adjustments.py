"""payments.services.adjustments: coins by hand, never without another person"""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection
from django.urls import reverse

from legato_payments.lib.ids import uuid7
from payments import approvals
from payments.approvals import Order, Target
from payments.ledger import chart, invariants, sealing
from payments.models import (
    Adjustment,
    ApprovalRequest,
    AuditEntry,
    CoinBalance,
    CoinLot,
    LotUse,
    OutboxEvent,
)
from payments.services import adjustments, wallets
from tests import factories
from tests.backoffice.conftest import logged_in
from tests.factories import NOW, READER
from tests.ledger import books
from tests.second_person import agree, person

pytestmark = pytest.mark.django_db

MAKER = "staff:999"


def propose(coins: int, value_micros: int = 0, **more: Any) -> ApprovalRequest:
    """Somebody asks for coins by hand."""
    given = {"actor": MAKER, "reason": "lost in an outage", "now": NOW, **more}
    made = adjustments.propose(user_id=READER, coins=coins, value_micros=value_micros, **given)
    assert isinstance(made, ApprovalRequest)
    return made


def adjust(coins: int, value_micros: int = 0) -> Adjustment:
    """The same, agreed to and carried out."""
    request = agree(propose(coins, value_micros).pk, now=NOW)
    assert request.status == "EXECUTED", request.error
    return Adjustment.objects.get(approval=request)


def assert_books_add_up() -> None:
    """Sealed, and nothing for ``verify_ledger`` to say."""
    books.assert_sound()
    sealing.seal_all(now=NOW, most=1_000)
    assert list(invariants.discrepancies()) == []


def test_a_proposal_moves_nothing() -> None:
    with_wallet = factories.buy_coins(name="Starter Pack")

    request = propose(-40)

    assert (request.status, request.needed, request.target_id) == ("PENDING", 1, READER)
    assert request.summary == f"-40 coins for {READER}"
    assert CoinBalance.objects.get().coins == with_wallet.total_coins
    assert not Adjustment.objects.exists()
    assert not LotUse.objects.exists()
    books.assert_sound()


def test_coins_with_a_value_are_like_bought_ones_at_our_cost() -> None:
    row = adjust(100, 990_000)

    assert books.lines_of(row.transaction_id) == [
        ("adjustment", "", "USD", 990_000),
        ("coins_deferred", "", "USD", -990_000),
        ("coins_issued", "", "COIN", 100),
        ("wallet", READER, "COIN", -100),
    ]
    lot = CoinLot.objects.get()
    assert (lot.origin, lot.is_purchased, lot.priority, lot.expires_at) == (
        "ADJUSTMENT",
        True,
        50,
        None,
    )
    assert CoinBalance.objects.get().purchased == 100
    assert_books_add_up()


def test_coins_without_a_value_are_promotional_and_expire() -> None:
    row = adjust(100)

    lot = CoinLot.objects.get()
    assert (lot.origin, lot.is_purchased, lot.priority, lot.value_micros) == (
        "ADJUSTMENT",
        False,
        10,
        0,
    )
    assert lot.expires_at == row.adjusted_at + timedelta(days=90)
    assert [line[0] for line in books.lines_of(row.transaction_id)] == ["coins_issued", "wallet"]
    assert_books_add_up()


def test_coins_are_taken_in_burn_order_for_what_they_are_worth() -> None:
    factories.buy_coins(name="Starter Pack")
    promo = adjust(10)

    row = adjust(-40)

    assert (row.coins, row.value_micros) == (-40, -297_000)
    assert books.lines_of(row.transaction_id) == [
        ("adjustment", "", "USD", -297_000),
        ("coins_deferred", "", "USD", 297_000),
        ("coins_issued", "", "COIN", -40),
        ("wallet", READER, "COIN", 40),
    ]
    uses = LotUse.objects.filter(kind=LotUse.Kind.ADJUSTMENT).order_by("id")
    assert [(use.to_coin - use.from_coin, use.value_micros) for use in uses] == [
        (10, 0),
        (30, 297_000),
    ]
    assert uses[0].lot.transaction_id == promo.transaction_id
    assert books.balance(chart.adjustment()) == -297_000
    wallet = CoinBalance.objects.get()
    assert (wallet.coins, wallet.lifetime_spent) == (70, 0)
    assert_books_add_up()


def test_who_did_it_stands_in_the_audit_log_and_other_services_hear_of_it() -> None:
    row = adjust(100)

    entry = AuditEntry.objects.get(action="payments.wallet.adjusted")
    assert (entry.actor, entry.object_id, entry.reason) == (
        MAKER,
        READER,
        "lost in an outage",
    )
    assert entry.after is not None
    assert entry.after["approval_id"] == str(row.approval_id)
    assert OutboxEvent.objects.filter(type="payments.balance.changed", subject=READER).count() == 1


@pytest.mark.parametrize(
    ("coins", "value", "refusal"),
    [
        (0, 0, adjustments.AdjustmentEmpty),
        (10, -1, adjustments.ValueOfTakenCoins),
        (-10, 1, adjustments.ValueOfTakenCoins),
        (-101, 0, wallets.InsufficientCoins),
    ],
)
def test_who_proposes_nonsense_is_told_so(coins: int, value: int, refusal: type[Exception]) -> None:
    factories.buy_coins(name="Starter Pack")
    before = books.fingerprint()

    with pytest.raises(refusal):
        propose(coins, value)

    assert books.fingerprint() == before


def test_coins_that_were_spent_meanwhile_are_not_taken() -> None:
    factories.buy_coins(name="Starter Pack")
    first, second = propose(-60), propose(-70)
    agree(first.pk, now=NOW)

    failed = agree(second.pk, now=NOW)

    assert (failed.status, failed.error) == ("FAILED", "70 coins are needed, 40 are available.")
    assert CoinBalance.objects.get().coins == 40
    assert Adjustment.objects.count() == 1
    books.assert_sound()


def test_the_job_does_it_once() -> None:
    request = agree(propose(50).pk, now=NOW)

    approvals.run(approval_id=request.pk, effect=adjustments.carry_out, now=NOW)

    assert CoinBalance.objects.get().coins == 50
    assert Adjustment.objects.count() == 1


def test_much_money_needs_two_people() -> None:
    # 60,000 coins at the price of the Starter Pack are 594 dollars, whatever value is typed.
    assert (propose(50_000).needed, propose(60_000).needed) == (1, 2)
    assert propose(10, 500_000_000).needed == 2


def test_nothing_moves_without_a_proposal_behind_it() -> None:
    before = books.fingerprint()
    order = Order(
        target=Target("user", READER),
        payload={"before": {}, "after": {"coins": 50, "value": "0.00"}},
        maker=MAKER,
        reason="x",
        now=NOW,
    )

    with pytest.raises(adjustments.ApprovalMissing):
        adjustments.carry_out(order)

    assert books.fingerprint() == before


def order_of(request: ApprovalRequest, *, user_id: str = READER, **after: Any) -> Order:
    """What the job is told of a request for 50 promotional coins, or something else."""
    return Order(
        target=Target("user", user_id),
        payload={"before": {}, "after": {"coins": 50, "value": "0.00", **after}},
        maker=MAKER,
        reason="x",
        now=NOW,
        approval_id=request.pk,
    )


def approved() -> ApprovalRequest:
    """A request for 50 promotional coins that its job has not carried out yet."""
    request = propose(50)
    return approvals.approve(
        request_id=request.pk, approver=person(), payload_hash=request.payload_hash, now=NOW
    )


def test_the_database_takes_what_was_approved() -> None:
    adjustments.carry_out(order_of(approved()))

    connection.check_constraints()


@pytest.mark.parametrize("change", [{"coins": 51}, {"value": "0.01"}, {"user_id": "reader-2"}])
def test_the_database_refuses_anything_else(change: dict[str, Any]) -> None:
    adjustments.carry_out(order_of(approved(), **change))

    with pytest.raises(IntegrityError, match="is not what was approved"):
        connection.check_constraints()


def test_the_database_refuses_what_still_waits() -> None:
    adjustments.carry_out(order_of(propose(50)))

    with pytest.raises(IntegrityError, match="is not what was approved"):
        connection.check_constraints()


def test_the_database_refuses_an_approval_of_something_else() -> None:
    request = approved()
    other = ApprovalRequest.objects.get(pk=request.pk)
    other.pk, other.action, other.status = uuid7(), "payments.set_rate", "PENDING"
    ApprovalRequest.objects.bulk_create([other])

    adjustments.carry_out(order_of(other))

    with pytest.raises(IntegrityError, match="is not what was approved"):
        connection.check_constraints()


def test_finance_proposes_one_in_the_back_office() -> None:
    boss = logged_in(person("boss"))
    typed = {"user_id": READER, "coins": "100", "value_micros": "0.99", "reason": "outage"}

    answer = boss.post(reverse("admin:payments_adjustment_propose"), typed, follow=True)
    wrong = boss.post(reverse("admin:payments_adjustment_propose"), {**typed, "coins": "-5"})

    assert "Waiting for another person" in answer.content.decode()
    assert 'id="id_value_micros_error"' in wrong.content.decode()
    request = ApprovalRequest.objects.get()
    assert request.summary == f"+100 coins worth 0.99 USD for {READER}"
    agree(request.pk)
    assert CoinBalance.objects.get().purchased == 100
