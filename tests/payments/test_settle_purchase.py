"""purchases.apply(): a captured payment becomes coins, exactly once, to the micro"""

from datetime import timedelta

import pytest

from legato_payments.lib.money import Money
from payments.enums import TransactionKind
from payments.gateways.sandbox import books
from payments.gateways.values import Outcome
from payments.models import CoinBalance, CoinLot, Purchase, Transaction
from payments.services import purchases
from tests import factories
from tests.factories import NOW, READER
from tests.payments import books_of

pytestmark = pytest.mark.django_db

Status = Purchase.Status
LATER = NOW + timedelta(hours=3)


def test_credits_the_coins_and_the_bonus() -> None:
    purchase = factories.buy_coins(name="Ultimate Pack")

    assert (purchase.status, purchase.settled_at) == (Status.SUCCEEDED, NOW)
    assert (purchase.action, purchase.next_attempt_at) == (None, None)
    wallet = CoinBalance.objects.get(user_id=READER)
    assert (wallet.coins, wallet.purchased, wallet.promo, wallet.held) == (6_600, 6_600, 0, 0)
    assert (wallet.lifetime_purchased, wallet.lifetime_bonus) == (5_500, 1_100)


def test_makes_one_lot_that_holds_the_whole_price() -> None:
    purchase = factories.buy_coins(name="Ultimate Pack")

    lot = CoinLot.objects.get()
    assert (lot.coins, lot.next_coin, lot.value_micros) == (6_600, 0, 39_990_000)
    assert (lot.paid_micros, lot.paid_unit, lot.fee_micros) == (39_990_000, "USD", 1_460_000)
    assert (lot.purchase_id, lot.transaction_id) == (purchase.pk, purchase.pk)
    assert lot.is_purchased
    assert lot.expires_at is None


def test_the_transaction_has_the_id_the_reader_knows() -> None:
    purchase = factories.buy_coins()

    posted = books_of.transaction(f"purchase:{purchase.pk}:settle")
    assert posted.pk == purchase.pk == purchase.transaction_id
    assert posted.kind == TransactionKind.COIN_PURCHASE
    assert (posted.source_type, posted.source_id) == ("purchase", str(purchase.pk))


def test_a_dollar_purchase_needs_no_conversion() -> None:
    purchase = factories.buy_coins(name="Starter Pack")

    assert books_of.entries(purchase.pk) == {
        "gateway:sandbox USD": 990_000,
        "coins_deferred USD": -990_000,
        "coins_issued COIN": 100,
        "wallet COIN": -100,
    }
    assert books_of.transaction(f"purchase:{purchase.pk}:settle").fx_rate is None


@pytest.mark.usefixtures("rates")
@pytest.mark.parametrize(
    ("currency", "price", "value", "fee", "rate"),
    [
        # 54,990,000 / 1.3706 and 54,900,000,000 / 1371.8079, rounded down to the micro.
        ("CAD", 54_990_000, 40_121_114, 1_900_000, "1.3706"),
        ("NGN", 54_900_000_000, 40_020_180, 923_500_000, "1371.8079"),
    ],
)
def test_another_currency_goes_through_the_fx_positions(
    currency: str, price: int, value: int, fee: int, rate: str
) -> None:
    purchase = factories.buy_coins(name="Ultimate Pack", currency=currency)

    assert books_of.entries(purchase.pk) == {
        f"gateway:sandbox {currency}": price,
        f"fx {currency}": -price,
        "fx USD": value,
        "coins_deferred USD": -value,
        "coins_issued COIN": 6_600,
        "wallet COIN": -6_600,
    }
    assert books_of.fee_entries(purchase) == {
        f"fees:gateway {currency}": fee,
        f"gateway:sandbox {currency}": -fee,
    }
    settled = books_of.transaction(f"purchase:{purchase.pk}:settle")
    assert f"{settled.fx_rate.normalize():f}" == rate if settled.fx_rate else False
    lot = CoinLot.objects.get()
    assert (lot.value_micros, lot.paid_micros, lot.paid_unit) == (value, price, currency)


class TestFee:
    """The gateway's own figure, never a computed one."""

    def test_what_the_gateway_kept_is_posted_beside_the_purchase(self) -> None:
        purchase = factories.start_purchase()
        told = factories.state(purchase, fee=Money.from_minor(77, "USD"))

        purchases.apply(purchase_id=purchase.pk, state=told, now=NOW)

        assert books_of.fee_entries(purchase) == {
            "fees:gateway USD": 770_000,
            "gateway:sandbox USD": -770_000,
        }
        fee = books_of.transaction(f"purchase:{purchase.pk}:fee")
        assert fee.relates_to == purchase.pk
        purchase.refresh_from_db()
        assert purchase.fee_micros == CoinLot.objects.get().fee_micros == 770_000

    @pytest.mark.parametrize("fee", [None, Money(0, "USD")])
    def test_no_figure_or_zero_posts_nothing(self, fee: Money | None) -> None:
        purchase = factories.start_purchase()

        purchases.apply(purchase_id=purchase.pk, state=factories.state(purchase, fee=fee), now=NOW)

        assert Transaction.objects.get().kind == TransactionKind.COIN_PURCHASE
        purchase.refresh_from_db()
        assert purchase.fee_micros == (None if fee is None else 0)


def test_an_exact_top_up_is_a_lot_without_a_bonus() -> None:
    factories.pay(factories.start_purchase(coins=777))

    lot = CoinLot.objects.get()
    assert (lot.coins, lot.value_micros) == (777, 7_700_000)
    wallet = CoinBalance.objects.get(user_id=READER)
    assert (wallet.lifetime_purchased, wallet.lifetime_bonus) == (777, 0)


def test_says_when_it_happened_and_not_when_we_heard_of_it() -> None:
    purchase = factories.start_purchase()
    books.pay(charge_id=factories.charge_of(purchase).pk, now=NOW)

    purchases.apply(purchase_id=purchase.pk, state=factories.state_of(purchase), now=LATER)

    assert books_of.transaction(f"purchase:{purchase.pk}:settle").occurred_at == NOW
    purchase.refresh_from_db()
    assert purchase.settled_at == LATER


def test_is_written_down_in_the_audit_log() -> None:
    purchase = factories.buy_coins()

    [entry] = books_of.audit("payments.purchase.settled")
    assert (entry.object_type, entry.object_id) == ("purchase", str(purchase.pk))
    assert (entry.actor, entry.occurred_at) == ("system:settle", NOW)
    assert entry.after == {
        "status": "SUCCEEDED",
        "user_id": READER,
        "coins": 6_600,
        "total": {"amount": "39.99", "currency": "USD"},
        "reference": purchase.reference,
    }


def test_the_same_news_again_changes_nothing() -> None:
    purchase = factories.buy_coins()

    with books_of.nothing_changed():
        purchases.apply(purchase_id=purchase.pk, state=factories.state_of(purchase), now=LATER)


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.CANCELLED, Outcome.PENDING])
def test_no_later_news_takes_the_coins_away(outcome: Outcome) -> None:
    purchase = factories.buy_coins()

    with books_of.nothing_changed():
        news = factories.state(purchase, outcome=outcome)
        purchases.apply(purchase_id=purchase.pk, state=news, now=LATER)


@pytest.mark.parametrize("outcome", [Outcome.PENDING, Outcome.ACTION_REQUIRED, Outcome.UNKNOWN])
def test_a_payment_on_its_way_changes_nothing(outcome: Outcome) -> None:
    purchase = factories.start_purchase()

    with books_of.nothing_changed():
        news = factories.state(purchase, outcome=outcome)
        purchases.apply(purchase_id=purchase.pk, state=news, now=NOW)


@pytest.mark.parametrize(
    ("outcome", "status", "action"),
    [
        (Outcome.FAILED, Status.FAILED, "payments.purchase.failed"),
        (Outcome.CANCELLED, Status.EXPIRED, "payments.purchase.expired"),
    ],
)
class TestGivenUp:
    """A purchase that failed or expired, and the money that comes nevertheless."""

    def test_is_closed_once_and_credits_nothing(
        self, outcome: Outcome, status: str, action: str
    ) -> None:
        purchase = factories.start_purchase()
        news = factories.state(purchase, outcome=outcome, failure_code="card_declined")

        with books_of.nothing_credited():
            for _ in range(2):
                closed = purchases.apply(purchase_id=purchase.pk, state=news, now=NOW)

        assert (closed.status, closed.action, closed.next_attempt_at) == (status, None, None)
        assert closed.failure_code == ("card_declined" if outcome is Outcome.FAILED else "")
        assert len(books_of.audit(action)) == 1

    def test_a_late_payment_still_credits(self, outcome: Outcome, status: str, action: str) -> None:
        purchase = factories.start_purchase()
        news = factories.state(purchase, outcome=outcome)
        purchases.apply(purchase_id=purchase.pk, state=news, now=NOW)

        settled = purchases.apply(
            purchase_id=purchase.pk, state=factories.state(purchase), now=LATER
        )

        assert (settled.status, settled.failure_code) == (Status.SUCCEEDED, "")
        assert books_of.coins(READER) == 6_600


def test_two_purchases_are_two_lots_in_one_wallet() -> None:
    factories.buy_coins(name="Starter Pack")
    factories.buy_coins(name="Reader Pack")

    assert list(CoinLot.objects.order_by("id").values_list("coins", flat=True)) == [100, 525]
    assert books_of.coins(READER) == 625
