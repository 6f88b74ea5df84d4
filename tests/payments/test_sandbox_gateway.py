"""The sandbox as a gateway: one payment per key, own fees, signed news"""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from legato_payments.lib.money import Money
from payments.gateways.base import InvalidRequest, SignatureInvalid
from payments.gateways.sandbox import books, signatures
from payments.gateways.sandbox.books import Decision
from payments.gateways.sandbox.gateway import SandboxGateway
from payments.gateways.values import ChargeRequest, CustomerRef, EventKind, Outcome
from payments.models import SandboxCharge, SandboxDelivery
from tests.factories import NOW, READER

Status = SandboxCharge.Status
LATER = NOW + timedelta(minutes=5)


def request(**changes: Any) -> ChargeRequest:
    facts: dict[str, Any] = {
        "reference": "lp1",
        "amount": Money.parse("9.99", "USD"),
        "customer": CustomerRef(READER),
        "description": "1,320 Legato coins",
        **changes,
    }
    return ChargeRequest(**facts)


def charge(**changes: Any) -> SandboxCharge:
    """An open payment of 9.99 US dollars, unless changed."""
    state = SandboxGateway().create_charge(request(**changes), key="key-1", now=NOW)
    return SandboxCharge.objects.get(pk=state.gateway_id)


def event_of(delivery: SandboxDelivery) -> Any:
    return json.loads(bytes(delivery.body))


@pytest.mark.django_db
class TestKeys:
    def test_one_key_is_one_payment(self) -> None:
        gateway = SandboxGateway()

        first = gateway.create_charge(request(), key="key-1", now=NOW)
        second = gateway.create_charge(request(), key="key-1", now=LATER)

        assert first == second
        assert SandboxCharge.objects.count() == 1

    @pytest.mark.parametrize(
        "changes",
        [
            {"amount": Money.parse("9.98", "USD")},
            {"amount": Money.parse("9.99", "CAD")},
            {"reference": "lp2"},
        ],
    )
    def test_one_key_with_other_terms_is_a_bug_of_the_caller(self, changes: dict[str, Any]) -> None:
        charge()

        with pytest.raises(InvalidRequest):
            SandboxGateway().create_charge(request(**changes), key="key-1", now=NOW)

        assert SandboxCharge.objects.get().amount_minor == 999

    def test_an_unknown_reference_is_certainly_absent(self) -> None:
        gateway = SandboxGateway()

        assert gateway.get_charge(reference="lp1") is None
        assert gateway.cancel_charge(reference="lp1", now=NOW) is None


@pytest.mark.django_db
class TestDecisions:
    @pytest.mark.parametrize(
        ("decisions", "status", "failure"),
        [
            ([Decision.PAY], Status.SUCCEEDED, ""),
            ([Decision.DECLINE], Status.FAILED, "card_declined"),
            ([Decision.ABANDON], Status.OPEN, ""),
            ([Decision.AUTHENTICATE], Status.AUTHENTICATING, ""),
            ([Decision.AUTHENTICATE, Decision.PAY], Status.SUCCEEDED, ""),
            ([Decision.AUTHENTICATE, Decision.DECLINE], Status.FAILED, "authentication_failed"),
            ([Decision.AUTHENTICATE, Decision.ABANDON], Status.AUTHENTICATING, ""),
            ([Decision.ABANDON, Decision.PAY], Status.SUCCEEDED, ""),
        ],
    )
    def test_lead_where_they_should(
        self, decisions: list[Decision], status: str, failure: str
    ) -> None:
        opened = charge()

        for decision in decisions:
            books.decide(charge_id=opened.pk, decision=decision, now=LATER)

        opened.refresh_from_db()
        assert (opened.status, opened.failure_code) == (status, failure)

    @pytest.mark.parametrize("decision", Decision)
    @pytest.mark.parametrize("end", [Decision.PAY, Decision.DECLINE, "cancel"])
    def test_change_nothing_once_it_is_closed(self, end: str, decision: Decision) -> None:
        opened = charge()
        if end == "cancel":
            books.cancel(charge_id=opened.pk, now=NOW)
        else:
            books.decide(charge_id=opened.pk, decision=Decision(end), now=NOW)
        before = SandboxCharge.objects.values().get()

        books.decide(charge_id=opened.pk, decision=decision, now=LATER)

        assert SandboxCharge.objects.values().get() == before
        assert SandboxDelivery.objects.count() == 1

    def test_a_closed_payment_is_told_with_its_fee(self) -> None:
        books.pay(charge_id=charge().pk, now=LATER)

        state = SandboxGateway().get_charge(reference="lp1")

        assert state is not None
        assert (state.outcome, state.occurred_at) == (Outcome.SUCCEEDED, LATER)
        assert (state.fee, state.action) == (Money.parse("0.59", "USD"), None)


@pytest.mark.parametrize(
    ("currency", "amount_minor", "fee_minor"),
    [
        # 2.9 % rounded up, and 30.
        ("USD", 99, 33),
        ("USD", 1_000, 59),
        ("USD", 3_999, 146),
        ("CAD", 5_499, 190),
        # 1.5 % and 100 naira: waived below 2,500 naira, at most 2,000 naira.
        ("NGN", 140_000, 2_100),
        ("NGN", 249_999, 3_750),
        ("NGN", 250_000, 13_750),
        ("NGN", 5_490_000, 92_350),
        ("NGN", 12_666_600, 199_999),
        ("NGN", 99_999_900, 200_000),
    ],
)
def test_the_fee_is_as_the_price_lists_say(
    currency: str, amount_minor: int, fee_minor: int
) -> None:
    assert books.fee_minor(amount_minor=amount_minor, currency=currency) == fee_minor


@pytest.mark.django_db
class TestEvents:
    @pytest.fixture(autouse=True)
    def _secret(self, settings: Any) -> None:
        settings.SANDBOX_WEBHOOK_SECRET = "whsec"

    def verify(self, body: bytes, *, now: datetime = NOW) -> Any:
        header = signatures.sign(body, secret="whsec", now=now)
        return SandboxGateway().verify(body, {signatures.HEADER: header}, now=NOW)

    @pytest.mark.parametrize(
        ("end", "kind"),
        [
            (books.pay, EventKind.PAYMENT_SUCCEEDED),
            (books.decline, EventKind.PAYMENT_FAILED),
            (books.cancel, EventKind.PAYMENT_CANCELLED),
        ],
    )
    def test_every_end_of_a_payment_is_announced_once(self, end: Any, kind: EventKind) -> None:
        opened = charge()

        end(charge_id=opened.pk, now=LATER)

        delivery = SandboxDelivery.objects.get()
        assert (delivery.charge_id, delivery.next_attempt_at) == (opened.pk, LATER)
        [event] = self.verify(bytes(delivery.body))
        assert (event.kind, event.reference, event.occurred_at) == (kind, "lp1", LATER)
        assert event.dedupe_key == delivery.event_id

    def test_what_is_not_over_is_not_announced(self) -> None:
        books.authenticate(charge_id=charge().pk)

        assert not SandboxDelivery.objects.exists()

    def test_an_unknown_kind_is_an_event_all_the_same(self) -> None:
        body = b'{"id":"evt_1","type":"charge.blessed","created":1793620800,"data":{}}'

        [event] = self.verify(body)

        assert (event.kind, event.raw_kind, event.reference) == (
            EventKind.OTHER, "charge.blessed", "",
        )  # fmt: skip

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"charge.succeeded",
            b"\xff\xfe",
            b"null",
            b"[]",
            b"{}",
            b'{"id":"evt_1","type":"charge.succeeded","created":"soon","data":{}}',
            b'{"id":"evt_1","type":"charge.succeeded","created":1793620800,"data":[]}',
            b'{"id":"evt_1","type":["charge"],"created":1793620800,"data":{}}',
            b'{"id":"evt_1","type":"x","created":1e300,"data":{}}',
        ],
    )
    def test_a_signed_body_that_is_no_event_is_refused(self, body: bytes) -> None:
        with pytest.raises(SignatureInvalid):
            self.verify(body)

    @pytest.mark.parametrize("seconds", [-300, 0, 300])
    def test_a_clock_may_be_five_minutes_off_either_way(self, seconds: int) -> None:
        books.pay(charge_id=charge().pk, now=NOW)
        body = bytes(SandboxDelivery.objects.get().body)

        assert len(self.verify(body, now=NOW + timedelta(seconds=seconds))) == 1

    def test_without_a_secret_nothing_is_authentic(self, settings: Any) -> None:
        books.pay(charge_id=charge().pk, now=NOW)
        body = bytes(SandboxDelivery.objects.get().body)
        settings.SANDBOX_WEBHOOK_SECRET = ""
        header = signatures.sign(body, secret="", now=NOW)

        with pytest.raises(SignatureInvalid):
            SandboxGateway().verify(body, {signatures.HEADER: header}, now=NOW)
