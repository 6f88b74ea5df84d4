"""payments.services.refunds: unused coins go back to money, whatever the gateway answers"""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from access.services import content
from legato_payments.lib.errors import DomainError
from legato_payments.lib.ids import uuid7
from legato_payments.lib.money import Money
from payments import outbox
from payments.gateways import base
from payments.gateways.sandbox import refunds as sandbox_refunds
from payments.gateways.sandbox.gateway import SandboxGateway
from payments.ledger import chart, invariants
from payments.ledger.reversals import AlreadyReversed
from payments.models import Attempt, OutboxEvent, Purchase, Refund, SandboxRefund
from payments.services import refund_amounts, refund_outcomes, refund_rights, refunds
from tests import factories
from tests.factories import NOW, READER
from tests.ledger import books
from tests.payments import books_of

pytestmark = pytest.mark.django_db

Status = Refund.Status
LATER = NOW + timedelta(hours=1)
USD = "USD"


def bought(method: str = "pm_card", name: str = "Ultimate Pack", **order: Any) -> Purchase:
    """A settled purchase, paid with a test method that says how its refunds go."""
    purchase = factories.start_purchase(name=name, saved_method=method, **order)
    assert purchase.status == Purchase.Status.SUCCEEDED
    return purchase


def refund(purchase: Purchase, amount: Money | None = None, **request: Any) -> Refund:
    wanted = refunds.Request(
        purchase_id=purchase.pk,
        reason="changed my mind",
        actor=f"user:{purchase.user_id}",
        amount=amount,
        **request,
    )
    return refunds.start(refund_id=uuid7(), request=wanted, now=LATER)


def spend(coins: int) -> None:
    factories.put_content(f"chapter-of-{coins}", price=coins)
    content.buy(user_id=READER, content_id=f"chapter-of-{coins}", now=NOW, actor="user:reader-1")


def sound() -> None:
    assert list(invariants.discrepancies()) == []


def test_a_purchase_nobody_used_goes_back_whole() -> None:
    purchase = bought()

    done = refund(purchase)

    assert (done.status, done.coins, done.amount_micros) == (Status.SUCCEEDED, 6_600, 39_990_000)
    assert books_of.coins(READER) == 0
    assert books_of.entries(done.pk) == {
        "coins_deferred USD": 39_990_000,
        "refund_in_flight USD": -39_990_000,
        "wallet COIN": 6_600,
        "coins_issued COIN": -6_600,
    }
    assert books_of.entries(books_of.transaction(f"refund:{done.pk}:paid").pk) == {
        "refund_in_flight USD": 39_990_000,
        "gateway:sandbox USD": -39_990_000,
    }
    sound()


def test_what_is_left_after_reading_goes_back_rounded_down_to_the_cent() -> None:
    purchase = bought()
    spend(2_410)

    done = refund(purchase)

    # 4,190 of 6,600 coins are worth 25.387591 dollars; 0.007591 stay with us.
    assert (done.coins, done.value_micros, done.amount_micros) == (4_190, 25_387_591, 25_380_000)
    assert books_of.entries(done.pk)["rounding USD"] == -7_591
    sound()


def test_naira_unwind_at_the_rate_of_the_purchase(rates: None) -> None:
    purchase = bought(currency="NGN")
    spend(600)

    done = refund(purchase)

    assert done.currency == "NGN"
    assert done.amount_micros == 54_900_000_000 * 6_000 // 6_600 // 10_000 * 10_000
    entries = books_of.entries(done.pk)
    assert entries["fx NGN"] == done.amount_micros
    assert entries["fx USD"] == -done.value_micros == -entries["coins_deferred USD"]
    sound()


def test_tax_goes_back_with_the_money_to_the_micro(rates: None) -> None:
    factories.register("CA")
    factories.register("CA-QC")
    purchase = bought(currency="CAD", name="Enthusiast Pack", country="CA", region="QC")
    spend(320)

    for amount in (Money.parse("3.33", "CAD"), Money.parse("4.44", "CAD"), None):
        refund(purchase, amount)

    purchase.refresh_from_db()
    back = purchase.refunded_micros
    for office, owed in (("CA", 700_000), ("CA-QC", 1_400_000)):
        left = owed - owed * back // purchase.total_micros
        assert books.balance(chart.tax_payable(office, "CAD")) == -left
    sound()


def test_a_part_is_as_many_whole_coins_as_fit_the_amount() -> None:
    purchase = bought()

    done = refund(purchase, Money.parse("5.00", USD))

    assert done.amount_micros == 5_000_000
    # One more coin would have come to 5.01.
    parts = (825, 826)
    assert done.coins in parts
    assert 39_990_000 * (done.coins + 1) // 6_600 >= 5_010_000
    assert books_of.coins(READER) == 6_600 - done.coins
    sound()


@settings(max_examples=40)
@given(cents=st.lists(st.integers(1, 1_500), min_size=1, max_size=6))
def test_parts_together_come_to_the_whole(cents: list[int]) -> None:
    purchase = bought()
    for amount in cents:
        try:
            refund(purchase, Money.from_minor(amount, USD))
        except (refunds.AmountTooLarge, refunds.AmountTooSmall):
            continue
    purchase.refresh_from_db()
    if purchase.refunded_micros < purchase.total_micros:
        refund(purchase)
    purchase.refresh_from_db()

    assert (purchase.refunded_micros, books_of.coins(READER)) == (39_990_000, 0)
    assert purchase.refunded_value_micros == purchase.value_micros
    sound()


def test_a_pending_refund_is_found_out_by_asking() -> None:
    purchase = bought("pm_refund_pending")
    asked = refund(purchase)
    assert asked.status == Status.PENDING
    sandbox_refunds.advance(now=LATER)

    refunds.poll(refund_id=asked.pk, now=LATER + timedelta(minutes=1))

    asked.refresh_from_db()
    assert asked.status == Status.SUCCEEDED
    sound()


def test_a_failed_refund_gives_the_coins_back_as_new_ones_of_the_same_value() -> None:
    purchase = bought("pm_refund_fails")
    spend(600)
    asked = refund(purchase)
    assert books_of.coins(READER) == 0
    sandbox_refunds.advance(now=LATER)

    refunds.poll(refund_id=asked.pk, now=LATER + timedelta(minutes=1))

    asked.refresh_from_db()
    purchase.refresh_from_db()
    assert (asked.status, asked.failure_code) == (Status.FAILED, "expired_or_canceled_card")
    assert (books_of.coins(READER), purchase.refunded_micros) == (6_000, 0)
    again = refund(purchase)
    assert (again.coins, again.value_micros) == (asked.coins, asked.value_micros)
    sound()


def test_a_refund_that_had_succeeded_can_fail_days_later() -> None:
    purchase = bought()
    done = refund(purchase)
    sandbox_refunds.fail(refund_id=done.gateway_id, now=LATER + timedelta(days=3))
    state = SandboxGateway().get_refund(
        reference=done.reference, payment_id="", charge_reference="", gateway_id=done.gateway_id
    )
    assert state is not None

    refund_outcomes.apply(refund_id=done.pk, state=state, now=LATER + timedelta(days=3))
    refund_outcomes.apply(refund_id=done.pk, state=state, now=LATER + timedelta(days=3))

    done.refresh_from_db()
    assert done.status == Status.FAILED
    assert books_of.coins(READER) == 6_600
    assert books.balance(chart.gateway("SANDBOX", USD)) == 39_990_000 - 1_460_000
    sound()


class TestNoAnswer:
    """What the gateway may have done is found out, never done twice."""

    def lose(
        self, monkeypatch: pytest.MonkeyPatch, *, after: bool, error: type[base.GatewayError]
    ) -> None:
        made = SandboxGateway.refund

        def lost(gateway: SandboxGateway, *args: Any, **kwargs: Any) -> Any:
            if after:
                made(gateway, *args, **kwargs)
            raise error("no answer", gateway="SANDBOX")

        monkeypatch.setattr(SandboxGateway, "refund", lost)

    @pytest.mark.parametrize(
        ("after", "error", "state"),
        [
            (True, base.Ambiguous, Attempt.State.UNKNOWN),
            (False, base.Ambiguous, Attempt.State.UNKNOWN),
            (False, base.Unavailable, Attempt.State.UNSENT),
            (False, base.RateLimited, Attempt.State.REFUSED),
            (False, base.InsufficientFunds, Attempt.State.REFUSED),
        ],
    )
    def test_the_refund_waits_and_is_made_once(
        self,
        monkeypatch: pytest.MonkeyPatch,
        after: bool,
        error: type[base.GatewayError],
        state: str,
    ) -> None:
        purchase = bought()
        with monkeypatch.context() as patch:
            self.lose(patch, after=after, error=error)
            asked = refund(purchase)
        assert asked.status == Status.REQUESTED
        assert Attempt.objects.get(object_type="refund").state == state
        assert books_of.coins(READER) == 0
        sound()

        refunds.poll(refund_id=asked.pk, now=LATER + timedelta(minutes=1))

        asked.refresh_from_db()
        assert asked.status == Status.SUCCEEDED
        made = SandboxRefund.objects.get()
        assert (made.reference, made.amount_minor) == (asked.reference, 3_999)
        assert Attempt.objects.get(object_type="refund").state == Attempt.State.ANSWERED
        sound()

    def test_a_setting_of_ours_that_is_wrong_calls_for_a_person(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        purchase = bought()
        with monkeypatch.context() as patch:
            self.lose(patch, after=False, error=base.AuthenticationFailed)
            asked = refund(purchase)
        assert asked.status == Status.NEEDS_ATTENTION
        assert list(Refund.objects.awaiting_finance()) == [asked]

        refunds.poll(refund_id=asked.pk, now=LATER + timedelta(minutes=1))

        asked.refresh_from_db()
        assert asked.status == Status.SUCCEEDED

    def test_a_refusal_for_good_gives_the_coins_back(self, monkeypatch: pytest.MonkeyPatch) -> None:
        purchase = bought()
        self.lose(monkeypatch, after=False, error=base.Declined)

        asked = refund(purchase)

        assert asked.status == Status.FAILED
        assert books_of.coins(READER) == 6_600
        sound()

    def test_the_same_id_again_resumes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        purchase = bought()
        wanted = refunds.Request(purchase_id=purchase.pk, reason="twice", actor="user:reader-1")
        refund_id = uuid7()
        with monkeypatch.context() as patch:
            self.lose(patch, after=True, error=base.Ambiguous)
            refunds.start(refund_id=refund_id, request=wanted, now=LATER)

        done = refunds.start(refund_id=refund_id, request=wanted, now=LATER)

        assert (done.status, SandboxRefund.objects.count()) == (Status.SUCCEEDED, 1)
        sound()

    def test_nobody_else_asks_while_the_gateway_takes_its_time(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        purchase = bought()
        wanted = refunds.Request(purchase_id=purchase.pk, reason="once", actor="user:reader-1")
        refund_id = uuid7()
        slow = LATER + timedelta(seconds=90)
        calls = []
        made = SandboxGateway.refund

        def slowly(gateway: SandboxGateway, *args: Any, **kwargs: Any) -> Any:
            calls.append(kwargs["key"])
            if len(calls) == 1:
                refunds.poll(refund_id=refund_id, now=slow)
                refunds.start(refund_id=refund_id, request=wanted, now=slow)
            return made(gateway, *args, **kwargs)

        monkeypatch.setattr(SandboxGateway, "refund", slowly)
        done = refunds.start(refund_id=refund_id, request=wanted, now=LATER)

        assert (done.status, len(calls)) == (Status.SUCCEEDED, 1)
        assert Refund.objects.get(pk=refund_id).locked_until is None
        sound()


class TestGoodwill:
    """Finance may give more back than the coins are worth, never more than was paid."""

    def test_what_the_coins_are_not_worth_is_our_cost(self) -> None:
        purchase = bought()
        spend(6_000)

        done = refund(purchase, Money.parse("20.00", USD), goodwill=True)

        assert (done.kind, done.coins) == (Refund.Kind.GOODWILL, 600)
        assert done.goodwill_micros == 20_000_000 - 3_630_000
        assert books_of.entries(done.pk)["goodwill USD"] == done.goodwill_micros
        sound()

    def test_a_reader_gets_no_goodwill(self) -> None:
        purchase = bought()
        spend(6_000)
        before = books.fingerprint()

        with pytest.raises(refunds.AmountTooLarge) as refusal:
            refund(purchase, Money.parse("20.00", USD))

        assert refusal.value.members["refundable"] == {"amount": "3.63", "currency": "USD"}
        assert books.fingerprint() == before

    def test_never_more_than_was_paid(self) -> None:
        purchase = bought()
        refund(purchase, Money.parse("30.00", USD), goodwill=True)
        before = books.fingerprint()

        with pytest.raises(refunds.AmountTooLarge):
            refund(purchase, Money.parse("10.00", USD), goodwill=True)

        assert books.fingerprint() == before


def test_a_refund_made_at_the_dashboard_is_written_down_and_takes_coins() -> None:
    purchase = bought()
    made = sandbox_refunds.make(charge_id=purchase.payment_id, amount_minor=1_000, now=LATER)
    event = factories.hear_of_object(made.pk, now=LATER)

    factories.process(event, now=LATER)

    adopted = Refund.objects.get()
    assert (adopted.kind, adopted.status) == (Refund.Kind.GATEWAY, Status.SUCCEEDED)
    assert (adopted.gateway_id, adopted.amount_micros) == (made.pk, 10_000_000)
    assert books_of.coins(READER) == 6_600 - adopted.coins
    sound()


@pytest.mark.parametrize(
    ("prepare", "error"),
    [
        (lambda p: spend(6_600), refunds.NothingToRefund),
        (refund, AlreadyReversed),
    ],
)
def test_refuses_what_cannot_go_back(prepare: Any, error: type[DomainError]) -> None:
    purchase = bought()
    prepare(purchase)
    before = books.fingerprint()

    with pytest.raises(error):
        refund(purchase)

    assert books.fingerprint() == before


def test_refuses_a_purchase_that_was_never_paid() -> None:
    purchase = factories.start_purchase()
    before = books.fingerprint()

    with pytest.raises(refunds.PurchaseNotPaid):
        refund(purchase)

    assert books.fingerprint() == before


def test_tells_of_the_coins_at_once_and_of_the_money_when_it_went() -> None:
    purchase = bought("pm_refund_pending")
    asked = refund(purchase)
    assert not OutboxEvent.objects.filter(type=outbox.EventType.PURCHASE_REFUNDED).exists()
    sandbox_refunds.advance(now=LATER)

    refunds.poll(refund_id=asked.pk, now=LATER + timedelta(minutes=1))

    told = OutboxEvent.objects.get(type=outbox.EventType.PURCHASE_REFUNDED).payload
    assert (told["money"]["amount"], told["coins"], told["is_whole"]) == ("39.99", 6_600, True)


@pytest.mark.parametrize(
    ("country", "consent", "kind"),
    [
        ("DE", None, Refund.Kind.WITHDRAWAL),
        ("DE", {"immediate_delivery": True, "acknowledged": False}, Refund.Kind.WITHDRAWAL),
        ("DE", {"immediate_delivery": True, "acknowledged": True}, Refund.Kind.UNUSED),
        ("US", None, Refund.Kind.UNUSED),
    ],
)
def test_says_whether_it_is_a_withdrawal(
    country: str, consent: dict[str, bool] | None, kind: str
) -> None:
    purchase = bought(country=country, consent=consent)

    assert refund(purchase).kind == kind


@pytest.mark.parametrize(("days", "is_open"), [(14, True), (15, False)])
def test_readers_ask_within_fourteen_days(days: int, is_open: bool) -> None:
    purchase = bought()
    at: datetime = NOW + timedelta(days=days)

    if is_open:
        assert refund_rights.window_of(purchase, now=at) == Refund.Kind.UNUSED
        return
    with pytest.raises(refund_rights.MoneyRefundWindowOver):
        refund_rights.window_of(purchase, now=at)


@given(
    value=st.integers(1, 60_000_000),
    total=st.integers(1, 100_000),
    cents=st.integers(0, 100_000),
    before=st.integers(0, 1_000_000),
)
def test_the_value_for_an_amount_is_the_largest_that_fits(
    value: int, total: int, cents: int, before: int
) -> None:
    done = value * before // 1_000_000
    purchase = Purchase(
        currency=USD,
        price_micros=total * 10_000,
        value_micros=value,
        refunded_value_micros=done,
    )
    most = refund_amounts.value_for(purchase, Money.from_minor(cents, USD))

    def money(upto: int) -> int:
        return refund_amounts._money_for(purchase, upto)

    assert money(done + most) - money(done) <= cents * 10_000
    assert money(done + most + 1) - money(done) > cents * 10_000
