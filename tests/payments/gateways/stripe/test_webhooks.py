"""Deliveries: Stripe's own are read, all others refused."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import stripe

from payments.gateways.base import SignatureInvalid
from payments.gateways.stripe.gateway import StripeGateway
from payments.gateways.values import EventKind, GatewayEvent
from tests.payments.gateways.stripe import description, objects
from tests.payments.gateways.stripe.objects import CREATED, REFERENCE

NOW = datetime(2026, 9, 21, 14, 0, tzinfo=UTC)
TIME = int(NOW.timestamp())
SECRET = "whsec_new"


def event(kind: str = "payment_intent.succeeded", **changes: Any) -> dict[str, Any]:
    """A delivery's event, about a payment of ours unless it says otherwise."""
    values = {
        "id": "evt_1",
        "object": "event",
        "api_version": "2026-05-27.dahlia",
        "created": CREATED,
        "data": {"object": {"object": "payment_intent", "id": "pi_1", "metadata": {}}},
        "livemode": False,
        "type": kind,
    }
    return {**values, **changes}


def about(kind: str, item: Mapping[str, Any]) -> dict[str, Any]:
    """An event of one kind about one object."""
    return event(kind, data={"object": item})


def sign(body: bytes, *, secret: str = SECRET, time: int = TIME) -> str:
    """The header as the SDK makes it."""
    header = stripe.WebhookSignature.generate_signature_header(body.decode(), secret, time)
    return str(header)


def deliver(body: bytes, header: str | None) -> GatewayEvent:
    """Hand a delivery to the gateway."""
    headers = {} if header is None else {"Stripe-Signature": header}
    (read,) = StripeGateway().verify(body, headers, now=NOW, remote="203.0.113.9")
    return read


def received(made: Mapping[str, Any]) -> GatewayEvent:
    """What an event becomes, well signed and on time."""
    body = json.dumps(made).encode()
    return deliver(body, sign(body))


class TestAuthentic:
    def test_an_event_says_what_it_is_about(self) -> None:
        item = {
            "object": "payment_intent",
            "id": "pi_1",
            "metadata": {"legato_reference": REFERENCE},
        }
        made = about("payment_intent.succeeded", item)

        assert received(made) == GatewayEvent(
            dedupe_key="evt_1",
            kind=EventKind.PAYMENT_SUCCEEDED,
            reference=REFERENCE,
            occurred_at=datetime.fromtimestamp(CREATED, UTC),
            raw_kind="payment_intent.succeeded",
            raw=made,
            object_id="pi_1",
            payment_id="pi_1",
        )

    @pytest.mark.parametrize("secret", ["whsec_new", "whsec_old"])
    def test_every_secret_of_ours_is_good_while_one_is_rolled(self, secret: str) -> None:
        body = json.dumps(event()).encode()

        assert deliver(body, sign(body, secret=secret)).dedupe_key == "evt_1"

    def test_one_good_signature_of_several_is_enough(self) -> None:
        body = json.dumps(event()).encode()
        time, good = sign(body).split(",")
        foreign = sign(body, secret="whsec_foreign").split(",")[1]

        assert deliver(body, f"{time},{foreign},v0=1,{good}").dedupe_key == "evt_1"

    @pytest.mark.parametrize("late_by", [-300, 0, 300])
    def test_clocks_may_differ_by_five_minutes(self, late_by: int) -> None:
        body = json.dumps(event()).encode()

        assert deliver(body, sign(body, time=TIME - late_by)).dedupe_key == "evt_1"

    @pytest.mark.parametrize(
        ("key", "is_live"),
        [("sk_test_1", False), ("rk_test_1", False), ("sk_live_1", True), ("rk_live_1", True)],
    )
    def test_the_mode_is_that_of_our_key(self, settings: Any, key: str, is_live: bool) -> None:
        settings.STRIPE_SECRET_KEY = key

        assert received(event(livemode=is_live)).dedupe_key == "evt_1"
        with pytest.raises(SignatureInvalid, match="other mode"):
            received(event(livemode=not is_live))

    def test_the_account_may_be_named_when_it_is_ours(self) -> None:
        assert received(event(account="acct_ours")).dedupe_key == "evt_1"


@dataclass(frozen=True)
class Forgery:
    """A delivery that is not Stripe's to us, or not now."""

    code: str
    body: bytes
    header: str | None


def forgeries() -> dict[str, Callable[[], Forgery]]:
    """One of each kind, by what is wrong with it."""
    body = json.dumps(event()).encode()
    good = sign(body)
    time, signature = good.split(",")
    digest = signature.removeprefix("v1=")

    def with_header(header: str | None, code: str = "signature") -> Callable[[], Forgery]:
        return lambda: Forgery(code, body, header)

    def with_body(changed: bytes, code: str = "signature") -> Callable[[], Forgery]:
        return lambda: Forgery(code, changed, good)

    def signed(changed: bytes, code: str) -> Callable[[], Forgery]:
        return lambda: Forgery(code, changed, sign(changed))

    def signed_event(code: str, **changes: Any) -> Callable[[], Forgery]:
        return signed(json.dumps(event(**changes)).encode(), code)

    return {
        "no header": with_header(None),
        "empty header": with_header(""),
        "no time": with_header(signature),
        "no signature": with_header(time),
        "a time that is no number": with_header(f"t=now,{signature}"),
        "a time of 400 digits": with_header(f"t={'9' * 400},{signature}"),
        "two times": with_header(f"{time},{signature},t={TIME + 1}"),
        "two times, the second old": with_header(f"{time},t=1,{signature}"),
        "another time": with_header(f"t={TIME - 1},{signature}"),
        "of nobody's secret": with_header(sign(body, secret="whsec_foreign")),
        "of the empty secret": with_header(sign(body, secret="")),
        "of our API key": with_header(sign(body, secret="sk_test_0123456789")),
        "v0": with_header(f"{time},v0={digest}"),
        "shortened": with_header(f"{time},v1={digest[:-1]}"),
        "upper case": with_header(f"{time},v1={digest.upper()}"),
        "of other letters": with_header(f"{time},v1=é{digest[1:]}"),
        "without the time": with_header(f"{time},v1={_digest_of(body)}"),
        "another body": with_body(body.replace(b"evt_1", b"evt_2")),
        "the body formatted again": with_body(json.dumps(event(), indent=1).encode()),
        "a longer body": with_body(body + b" "),
        "a byte order mark": with_body(b"\xef\xbb\xbf" + body),
        "no text": with_body(b"\xff" + body),
        "an empty body": with_body(b""),
        "too old": with_header(sign(body, time=TIME - 301), "too_old"),
        "of 1970": with_header(sign(body, time=0), "too_old"),
        "of the future": with_header(sign(body, time=TIME + 301), "future"),
        "of the far future": with_header(sign(body, time=99_999_999_999), "future"),
        "the live mode": signed_event("mode", livemode=True),
        "no mode": signed_event("body", livemode=None),
        "another account": signed_event("account", account="acct_other"),
        "no JSON": signed(b"{", "body"),
        "no object": signed(b"[]", "body"),
        "no event": signed_event("body", object="charge"),
        "no kind": signed_event("body", type=None),
        "no id": signed_event("body", id=""),
        "an id that is too long": signed_event("body", id="evt_" + "1" * 97),
        "an id of two lines": signed_event("body", id="evt_1\nX: y"),
        "no data": signed_event("body", data=None),
        "no date": signed_event("body", created="today"),
        "a date after all": signed_event("body", created=10**20),
        "too deep": signed(b"[" * 100_000, "body"),
    }


def _digest_of(body: bytes) -> str:
    return str(stripe.WebhookSignature._compute_signature(body.decode(), SECRET))


class TestForged:
    @pytest.mark.parametrize("name", list(forgeries()))
    def test_is_refused(self, name: str) -> None:
        forgery = forgeries()[name]()

        with pytest.raises(SignatureInvalid) as refused:
            deliver(forgery.body, forgery.header)

        assert refused.value.code == forgery.code

    def test_everything_is_while_we_have_no_secret(self, settings: Any) -> None:
        settings.STRIPE_WEBHOOK_SECRETS = []
        body = json.dumps(event()).encode()

        with pytest.raises(SignatureInvalid):
            deliver(body, sign(body))

    def test_an_empty_secret_signs_nothing(self, settings: Any) -> None:
        settings.STRIPE_WEBHOOK_SECRETS = ["", " "]
        body = json.dumps(event()).encode()

        for secret in ("", " "):
            with pytest.raises(SignatureInvalid):
                deliver(body, sign(body, secret=secret))

    def test_an_account_is_while_we_do_not_know_our_own(self, settings: Any) -> None:
        settings.STRIPE_ACCOUNT_ID = ""

        with pytest.raises(SignatureInvalid) as refused:
            received(event(account="acct_ours"))

        assert refused.value.code == "account"


SUCCEEDED = EventKind.PAYMENT_SUCCEEDED
FAILED = EventKind.PAYMENT_FAILED
CANCELLED = EventKind.PAYMENT_CANCELLED
CHANGED = EventKind.PAYMENT_CHANGED
REFUND = EventKind.REFUND_CHANGED
DISPUTE = EventKind.DISPUTE_CHANGED
SETTLEMENT = EventKind.SETTLEMENT_CHANGED

KINDS = {
    "payment_intent.succeeded": SUCCEEDED,
    "payment_intent.payment_failed": FAILED,
    "payment_intent.canceled": CANCELLED,
    "payment_intent.processing": CHANGED,
    "payment_intent.requires_action": CHANGED,
    "checkout.session.completed": CHANGED,
    "checkout.session.async_payment_succeeded": SUCCEEDED,
    "checkout.session.async_payment_failed": FAILED,
    "checkout.session.expired": CANCELLED,
    "charge.updated": CHANGED,
    "charge.refunded": REFUND,
    "charge.refund.updated": REFUND,
    "refund.created": REFUND,
    "refund.updated": REFUND,
    "refund.failed": REFUND,
    "charge.dispute.created": DISPUTE,
    "charge.dispute.updated": DISPUTE,
    "charge.dispute.closed": DISPUTE,
    "charge.dispute.funds_withdrawn": DISPUTE,
    "charge.dispute.funds_reinstated": DISPUTE,
    "payout.created": SETTLEMENT,
    "payout.updated": SETTLEMENT,
    "payout.paid": SETTLEMENT,
    "payout.failed": SETTLEMENT,
    "payout.canceled": SETTLEMENT,
    "payout.reconciliation_completed": SETTLEMENT,
    "charge.succeeded": EventKind.OTHER,
    "radar.early_fraud_warning.created": EventKind.OTHER,
    "invoice.paid": EventKind.OTHER,
    "customer.subscription.updated": EventKind.OTHER,
    "payment_method.attached": EventKind.OTHER,
    "account.updated": EventKind.OTHER,
    "balance.available": EventKind.OTHER,
}


class TestKinds:
    @pytest.mark.parametrize(("name", "kind"), KINDS.items())
    def test_each_event_is_of_a_kind_of_ours(self, name: str, kind: EventKind) -> None:
        assert received(event(name)).kind is kind

    def test_a_page_that_was_paid_is_a_payment(self) -> None:
        page = {"object": "checkout.session", "id": "cs_1", "payment_status": "paid"}

        assert received(about("checkout.session.completed", page)).kind is SUCCEEDED

    @pytest.mark.parametrize("name", ["nobody.knows.this", "payment_intent", "*", ""])
    def test_what_nobody_knows_is_something_else(self, name: str) -> None:
        assert received(event(name)).kind is EventKind.OTHER

    def test_every_event_of_stripes_can_be_read(self) -> None:
        endpoint = description.operations()["POST /v1/webhook_endpoints"].params
        names = endpoint["properties"]["enabled_events"]["items"]["enum"]

        read = {name: received(event(name)).kind for name in names}

        assert len(read) > 200
        assert read.keys() >= KINDS.keys()
        assert {name for name, kind in read.items() if kind is SETTLEMENT} == {
            name for name in KINDS if name.startswith("payout.")
        }


class TestWhatItIsAbout:
    @pytest.mark.parametrize(
        ("name", "make", "expected"),
        [
            ("checkout.session.completed", "session", (REFERENCE, "cs_test_1", "pi_1")),
            ("charge.updated", "charge", (REFERENCE, "pi_1", "pi_1")),
            ("charge.refunded", "charge", (REFERENCE, "", "pi_1")),
            ("refund.updated", "refund", (REFERENCE, "re_1", "pi_1")),
            ("charge.dispute.created", "dispute", ("", "du_1", "pi_1")),
            ("payout.paid", "payout", ("", "po_1", "")),
        ],
    )
    def test_an_object_of_stripes_is_recognised(
        self, name: str, make: str, expected: tuple[str, str, str]
    ) -> None:
        made: dict[str, Callable[[], dict[str, Any]]] = {
            "session": lambda: objects.session("complete", payment_intent="pi_1"),
            "charge": objects.charge,
            "refund": lambda: objects.refund(payment_intent="pi_1"),
            "dispute": lambda: objects.dispute(payment_intent="pi_1", metadata={}),
            "payout": objects.payout,
        }

        read = received(about(name, made[make]()))

        assert (read.reference, read.object_id, read.payment_id) == expected

    def test_a_page_without_metadata_has_our_reference(self) -> None:
        page = objects.session(metadata={})

        assert received(about("checkout.session.expired", page)).reference == REFERENCE

    def test_what_is_not_ours_has_none(self) -> None:
        page = objects.session(metadata={}, client_reference_id=None)

        assert received(about("checkout.session.expired", page)).reference == ""
