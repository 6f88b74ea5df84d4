"""purchases.start(): the row first, then the gateway, once per id"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db.transaction import atomic

from legato_payments.lib.errors import DomainError
from legato_payments.lib.ids import uuid7
from payments.gateways import base
from payments.gateways.sandbox import books
from payments.gateways.sandbox.gateway import SandboxGateway
from payments.gateways.values import ChargeRequest, ChargeState
from payments.models import CoinLot, Purchase, SandboxCharge
from payments.services import attempts, packages, purchases, quotes
from tests import factories
from tests.factories import NOW, READER
from tests.payments import books_of

pytestmark = pytest.mark.django_db

Status = Purchase.Status


def order(**changes: Any) -> purchases.Order:
    """An Ultimate Pack in US dollars, unless changed."""
    if "coins" not in changes:
        changes.setdefault("package_id", factories.package().pk)
    return purchases.Order(**{"user_id": READER, "currency": "USD", **changes})


def test_opens_a_payment_and_sends_the_reader_to_it() -> None:
    purchase = factories.start_purchase(return_url="https://legato.example/shop")

    assert purchase.status == Status.PENDING
    charge = factories.charge_of(purchase)
    assert (charge.amount_minor, charge.currency) == (3_999, "USD")
    assert charge.description == "6,600 Legato coins"
    assert charge.return_url == "https://legato.example/shop"
    assert purchase.gateway_id == charge.pk
    url = f"http://127.0.0.1:8005/sandbox/checkout/{charge.pk}"
    assert purchase.action == {"type": "redirect", "url": url}


def test_keeps_the_terms_of_the_moment() -> None:
    purchase = factories.start_purchase(country="CA", consent={"acknowledged": True})

    assert (purchase.coins, purchase.bonus_coins, purchase.total_coins) == (5_500, 1_100, 6_600)
    assert (purchase.price_micros, purchase.value_micros) == (39_990_000, 39_990_000)
    assert (purchase.tax_micros, purchase.fx_rate) == (0, None)
    assert (purchase.country, purchase.consent) == ("CA", {"acknowledged": True})
    assert purchase.package_version == factories.package().current
    assert (purchase.created_at, purchase.expires_at) == (NOW, NOW + timedelta(minutes=60))


def test_plans_to_ask_the_gateway_in_a_minute() -> None:
    purchase = factories.start_purchase()

    assert purchase.next_attempt_at == NOW + timedelta(minutes=1)


def test_credits_nothing_before_the_payment() -> None:
    with books_of.nothing_credited():
        factories.start_purchase()


def test_the_same_id_again_gives_the_same_payment() -> None:
    purchase_id = uuid7()
    first = purchases.start(purchase_id=purchase_id, order=order(), now=NOW)

    with books_of.nothing_changed():
        again = purchases.start(purchase_id=purchase_id, order=order(), now=NOW)

    assert (again.pk, again.action) == (first.pk, first.action)
    assert SandboxCharge.objects.count() == 1


def test_an_order_sent_again_after_the_payment_is_settled_already() -> None:
    purchase = factories.buy_coins()

    with books_of.nothing_changed():
        again = purchases.start(purchase_id=purchase.pk, order=order(), now=NOW)

    assert again.status == Status.SUCCEEDED


def test_a_stored_card_is_charged_and_credited_at_once() -> None:
    purchase = factories.start_purchase(saved_method="pm_card")

    assert (purchase.status, purchase.action) == (Status.SUCCEEDED, None)
    assert books_of.coins(READER) == 6_600


def test_a_stored_card_that_needs_the_reader_leads_to_the_bank() -> None:
    with books_of.nothing_credited():
        purchase = factories.start_purchase(saved_method="pm_authenticate")

    assert purchase.status == Status.PENDING
    assert purchase.action is not None
    assert purchase.action["type"] == "redirect"
    assert factories.charge_of(purchase).status == SandboxCharge.Status.AUTHENTICATING


@pytest.mark.parametrize(
    ("method", "code"),
    [("pm_declined", "card_declined"), ("pm_insufficient_funds", "insufficient_funds")],
)
def test_a_refused_card_fails_the_purchase(method: str, code: str) -> None:
    with (
        books_of.nothing_credited(),
        pytest.raises(purchases.PaymentDeclined) as refusal,
    ):
        factories.start_purchase(saved_method=method)

    assert refusal.value.members["decline_code"] == code
    purchase = Purchase.objects.get()
    assert (purchase.status, purchase.failure_code) == (Status.FAILED, code)
    assert purchase.next_attempt_at is None
    assert books_of.audit("payments.purchase.failed")[0].object_id == str(purchase.pk)


class TestNoAnswer:
    """The gateway could not be reached, or did not answer: the row stays, nothing is lost."""

    def test_an_unreachable_gateway_leaves_the_row_and_no_payment(self) -> None:
        with (
            books_of.nothing_credited(),
            pytest.raises(attempts.GatewayUnavailable) as refusal,
        ):
            factories.start_purchase(saved_method="pm_timeout_before")

        assert refusal.value.retry_after == 5
        purchase = Purchase.objects.get()
        assert (purchase.status, purchase.gateway_id, purchase.action) == (
            Status.CREATED, "", None,
        )  # fmt: skip
        assert purchase.next_attempt_at == NOW + timedelta(minutes=1)
        assert not SandboxCharge.objects.exists()

    def test_the_same_id_resumes_to_one_payment_under_the_same_reference(self) -> None:
        purchase_id = uuid7()
        with pytest.raises(attempts.GatewayUnavailable):
            purchases.start(
                purchase_id=purchase_id, order=order(saved_method="pm_timeout_before"), now=NOW
            )
        reference = Purchase.objects.get().reference

        resumed = purchases.start(purchase_id=purchase_id, order=order(), now=NOW)

        assert (resumed.status, resumed.reference) == (Status.PENDING, reference)
        assert SandboxCharge.objects.get().reference == reference

    def test_a_lost_answer_is_not_charged_again(self) -> None:
        purchase_id = uuid7()
        card = order(saved_method="pm_timeout_after")
        with books_of.nothing_credited(), pytest.raises(attempts.GatewayUnavailable):
            purchases.start(purchase_id=purchase_id, order=card, now=NOW)
        assert Purchase.objects.get().status == Status.CREATED
        assert SandboxCharge.objects.get().status == SandboxCharge.Status.SUCCEEDED

        resumed = purchases.start(purchase_id=purchase_id, order=order(), now=NOW)

        assert resumed.status == Status.SUCCEEDED
        assert SandboxCharge.objects.count() == CoinLot.objects.count() == 1
        assert books_of.coins(READER) == 6_600

    def test_a_page_whose_address_is_lost_is_opened_anew_though_the_poller_came_first(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        purchase_id = uuid7()
        create, read = SandboxGateway.create_charge, SandboxGateway.get_charge

        def lose_answer(
            gateway: SandboxGateway, request: ChargeRequest, **arguments: Any
        ) -> ChargeState:
            create(gateway, request, **arguments)
            raise base.Ambiguous("no answer", gateway="SANDBOX")

        def without_address(gateway: SandboxGateway, **asked: Any) -> ChargeState | None:
            state = read(gateway, **asked)
            return replace(state, action=None) if state else None

        monkeypatch.setattr(SandboxGateway, "get_charge", without_address)
        with monkeypatch.context() as patch:
            patch.setattr(SandboxGateway, "create_charge", lose_answer)
            with pytest.raises(attempts.GatewayUnavailable):
                purchases.start(purchase_id=purchase_id, order=order(), now=NOW)
        late = NOW + timedelta(minutes=1)
        purchases.poll(purchase_id=purchase_id, now=late)

        again = purchases.start(purchase_id=purchase_id, order=order(), now=late)

        assert again.status == Status.PENDING
        assert again.action is not None
        assert again.action["type"] == "redirect"
        assert SandboxCharge.objects.get(reference=again.reference).pk == again.gateway_id

    def test_the_poller_settles_what_the_lost_answer_said(self) -> None:
        with pytest.raises(attempts.GatewayUnavailable):
            factories.start_purchase(saved_method="pm_timeout_after")
        purchase = Purchase.objects.get()

        purchases.poll(purchase_id=purchase.pk, now=NOW + timedelta(minutes=1))

        purchase.refresh_from_db()
        assert purchase.status == Status.SUCCEEDED
        assert purchase.gateway_id == factories.charge_of(purchase).pk
        assert books_of.coins(READER) == 6_600

    def test_a_gateway_that_is_gone_meanwhile_is_no_failure_of_ours(self, settings: Any) -> None:
        purchase_id = uuid7()
        with pytest.raises(attempts.GatewayUnavailable):
            purchases.start(
                purchase_id=purchase_id, order=order(saved_method="pm_timeout_before"), now=NOW
            )
        settings.GATEWAY_SANDBOX = False

        with books_of.nothing_changed(), pytest.raises(attempts.GatewayUnavailable):
            purchases.start(purchase_id=purchase_id, order=order(), now=NOW)


def test_a_webhook_faster_than_the_answer_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    create = SandboxGateway.create_charge

    def create_slowly(
        gateway: SandboxGateway, request: ChargeRequest, **arguments: Any
    ) -> ChargeState:
        opened = create(gateway, request, **arguments)
        books.pay(charge_id=opened.gateway_id, now=NOW)
        purchase = Purchase.objects.get(reference=request.reference)
        purchases.apply(purchase_id=purchase.pk, state=factories.state_of(purchase), now=NOW)
        return opened

    monkeypatch.setattr(SandboxGateway, "create_charge", create_slowly)

    purchase = factories.start_purchase()

    assert (purchase.status, purchase.action) == (Status.SUCCEEDED, None)
    assert books_of.coins(READER) == 6_600


def test_is_never_run_inside_a_transaction() -> None:
    with (
        books_of.nothing_changed(),
        pytest.raises(AssertionError, match="inside a database transaction"),
        atomic(),
    ):
        factories.start_purchase()


def _unknown_package() -> purchases.Order:
    return order(package_id=uuid7())


def _package_off_the_shelf() -> purchases.Order:
    package = factories.package("Reader Pack")
    assert package.current is not None
    packages.change(
        package_id=package.pk,
        expected_version=package.current.number,
        is_active=False,
        actor="staff:1",
        now=NOW,
    )
    return order(package_id=package.pk)


@pytest.mark.parametrize(
    ("make_order", "refusal"),
    [
        (_unknown_package, quotes.PackageUnavailable),
        (_package_off_the_shelf, quotes.PackageUnavailable),
        (lambda: order(coins=49), quotes.BelowMinimum),
        (lambda: order(coins=100_001), quotes.TooManyCoins),
    ],
)
def test_refuses_before_anything_is_stored(make_order: Any, refusal: type[DomainError]) -> None:
    refused = make_order()

    with books_of.nothing_changed(), pytest.raises(refusal):
        purchases.start(purchase_id=uuid7(), order=refused, now=NOW)


def test_refuses_when_no_gateway_takes_the_currency(settings: Any) -> None:
    settings.GATEWAY_SANDBOX = False

    with (
        books_of.nothing_changed(),
        pytest.raises(attempts.GatewayUnavailable) as refusal,
    ):
        purchases.start(purchase_id=uuid7(), order=order(), now=NOW)

    assert refusal.value.retry_after == 60


def test_refuses_an_order_without_the_email_that_its_gateway_needs(settings: Any) -> None:
    settings.PAYSTACK_SECRET_KEY = "sk_test_of_nobody"
    factories.rates()

    with books_of.nothing_changed(), pytest.raises(purchases.EmailRequired):
        purchases.start(purchase_id=uuid7(), order=order(currency="NGN"), now=NOW)


def test_a_preferred_gateway_that_is_not_set_up_is_passed_over() -> None:
    purchase = factories.start_purchase(preferred_gateway="PAYSTACK")

    assert purchase.provider == "SANDBOX"
