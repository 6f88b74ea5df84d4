"""PaystackGateway.verify: whose delivery it is, and what it says"""

import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest

from payments.gateways.base import SignatureInvalid
from payments.gateways.paystack.gateway import PaystackGateway
from payments.gateways.values import EventKind, GatewayEvent
from tests import specs
from tests.factories import NOW
from tests.payments.gateways.paystack.rows import KEY, REFERENCE, dispute, transaction

ADDRESS = "52.31.139.75"
LIVE = "sk_live_of_the_tests"
OLD = "sk_test_of_last_year"

PAID = {"event": "charge.success", "data": transaction()}


def bytes_of(event: Any) -> bytes:
    return json.dumps(event).encode()


def signed(body: bytes, key: str = KEY, algorithm: str = "sha512") -> dict[str, str]:
    return {"x-paystack-signature": hmac.new(key.encode(), body, algorithm).hexdigest()}


def deliver(gateway: PaystackGateway, event: Any, *, remote: str = ADDRESS) -> GatewayEvent:
    body = event if isinstance(event, bytes) else bytes_of(event)
    (read,) = gateway.verify(body, signed(body), now=NOW, remote=remote)
    return read


BODY = bytes_of(PAID)
GOOD = signed(BODY)["x-paystack-signature"]

FORGERIES: dict[str, tuple[bytes, dict[str, str]]] = {
    "no header": (BODY, {}),
    "empty header": (BODY, {"x-paystack-signature": ""}),
    "another header": (BODY, {"x-signature": GOOD}),
    "two headers": (BODY, {"x-paystack-signature": GOOD, "X-Paystack-Signature": GOOD}),
    "no hex": (BODY, {"x-paystack-signature": "z" * 128}),
    "no ASCII": (BODY, {"x-paystack-signature": "\udcff" + GOOD[1:]}),
    "half a signature": (BODY, {"x-paystack-signature": GOOD[:64]}),
    "one digit changed": (
        BODY,
        {"x-paystack-signature": ("1" if GOOD[0] == "0" else "0") + GOOD[1:]},
    ),
    "a digit too many": (BODY, {"x-paystack-signature": GOOD + "0"}),
    "in a list": (BODY, {"x-paystack-signature": f"{GOOD},{GOOD}"}),
    "with a scheme": (BODY, {"x-paystack-signature": f"sha512={GOOD}"}),
    "SHA-256": (BODY, signed(BODY, algorithm="sha256")),
    "a hash without a key": (BODY, {"x-paystack-signature": sha256(BODY).hexdigest()}),
    "an empty key": (BODY, signed(BODY, key="")),
    "somebody's key": (BODY, signed(BODY, key="sk_test_of_somebody")),
    "our public key": (BODY, signed(BODY, key="pk_test_of_the_tests")),
    "the live key": (BODY, signed(BODY, key=LIVE)),
    "an old key, given up": (BODY, signed(BODY, key=OLD)),
    "of another body": (BODY, signed(bytes_of({"event": "charge.success", "data": {}}))),
    "amount raised": (BODY.replace(b"400000", b"900000"), signed(BODY)),
    "spaces added": (BODY + b" ", signed(BODY)),
    "written anew": (json.dumps(PAID, separators=(",", ":")).encode(), signed(BODY)),
    "cut short": (BODY[:-1], signed(BODY)),
    "emptied": (b"", signed(BODY)),
}


@pytest.mark.parametrize(("body", "headers"), FORGERIES.values(), ids=FORGERIES.keys())
def test_refuses_forgeries(body: bytes, headers: dict[str, str], gateway: PaystackGateway) -> None:
    with pytest.raises(SignatureInvalid) as refusal:
        gateway.verify(body, headers, now=NOW, remote=ADDRESS)

    assert refusal.value.code == "signature"


@pytest.mark.parametrize("key", ["", KEY])
def test_believes_nobody_without_a_key(key: str, gateway: PaystackGateway, settings: Any) -> None:
    settings.PAYSTACK_SECRET_KEY = ""

    with pytest.raises(SignatureInvalid) as refusal:
        gateway.verify(BODY, signed(BODY, key=key), now=NOW, remote=ADDRESS)

    assert refusal.value.code == "signature"


@pytest.mark.parametrize(
    "remote", ["203.0.113.7", "52.31.139.7", "::1", "localhost", "52.31.139.75 "]
)
def test_refuses_what_comes_from_elsewhere(remote: str, gateway: PaystackGateway) -> None:
    with pytest.raises(SignatureInvalid) as refusal:
        deliver(gateway, PAID, remote=remote)

    assert refusal.value.code == "address"


@pytest.mark.parametrize("domain", ["live", "", "TEST", 0, False, [], {}], ids=repr)
def test_refuses_the_other_mode(domain: Any, gateway: PaystackGateway) -> None:
    with pytest.raises(SignatureInvalid) as refusal:
        deliver(gateway, {"event": "charge.success", "data": transaction(domain=domain)})

    assert refusal.value.code == "mode"


def test_refuses_a_test_under_the_live_key(gateway: PaystackGateway, settings: Any) -> None:
    settings.PAYSTACK_SECRET_KEY = LIVE

    with pytest.raises(SignatureInvalid) as refusal:
        gateway.verify(BODY, signed(BODY, key=LIVE), now=NOW, remote=ADDRESS)

    assert refusal.value.code == "mode"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'"charge.success"',
        b"[" * 200_000,
        b"{}",
        b'{"event": "charge.success"}',
        b'{"event": "charge.success", "data": null}',
        b'{"event": "charge.success", "data": "x"}',
        b'{"data": {}}',
        b'{"event": "", "data": {}}',
        b'{"event": 1, "data": {}}',
        b'{"event": ["charge.success"], "data": {}}',
        b'{"event": "charge.success\\u0000", "data": {}}',
        bytes_of({"event": "x" * 101, "data": {}}),
    ],
    ids=lambda body: repr(body)[:50],
)
def test_refuses_what_is_no_event(body: bytes, gateway: PaystackGateway) -> None:
    with pytest.raises(SignatureInvalid) as refusal:
        deliver(gateway, body)

    assert refusal.value.code == "body"


class TestBelieving:
    def test_reads_a_payment(self, gateway: PaystackGateway) -> None:
        event = deliver(gateway, PAID)

        assert event == GatewayEvent(
            dedupe_key=sha256(BODY).hexdigest(),
            kind=EventKind.PAYMENT_SUCCEEDED,
            reference=REFERENCE,
            occurred_at=datetime(2026, 11, 1, 9, 15, 2, tzinfo=UTC),
            raw_kind="charge.success",
            raw=json.loads(BODY),
            object_id="4099260516",
            payment_id="4099260516",
        )

    @pytest.mark.parametrize("name", ["X-Paystack-Signature", "X-PAYSTACK-SIGNATURE"])
    def test_finds_the_header_however_it_is_written(
        self, name: str, gateway: PaystackGateway
    ) -> None:
        assert len(gateway.verify(BODY, {name: GOOD}, now=NOW, remote=ADDRESS)) == 1

    def test_knows_a_delivery_by_its_bytes(self, gateway: PaystackGateway) -> None:
        again = deliver(gateway, PAID)
        other = deliver(gateway, BODY + b"\n")

        assert again.dedupe_key == deliver(gateway, PAID).dedupe_key
        assert other.dedupe_key != again.dedupe_key

    def test_takes_the_old_key_while_it_is_kept(
        self, gateway: PaystackGateway, settings: Any
    ) -> None:
        settings.PAYSTACK_OLD_SECRET_KEY = OLD

        for key in (KEY, OLD):
            assert len(gateway.verify(BODY, signed(BODY, key=key), now=NOW)) == 1

    def test_judges_the_mode_by_the_key_that_signed(
        self, gateway: PaystackGateway, settings: Any
    ) -> None:
        settings.PAYSTACK_OLD_SECRET_KEY = LIVE

        with pytest.raises(SignatureInvalid) as refusal:
            gateway.verify(BODY, signed(BODY, key=LIVE), now=NOW)

        assert refusal.value.code == "mode"

    @pytest.mark.parametrize("remote", ["", "52.49.173.169", "52.214.14.220"])
    def test_takes_paystacks_addresses(self, remote: str, gateway: PaystackGateway) -> None:
        assert deliver(gateway, PAID, remote=remote).reference == REFERENCE

    def test_takes_any_address_when_none_are_named(
        self, gateway: PaystackGateway, settings: Any
    ) -> None:
        settings.PAYSTACK_WEBHOOK_ADDRESSES = []

        assert deliver(gateway, PAID, remote="203.0.113.7").reference == REFERENCE

    @pytest.mark.parametrize("name", ["create", "remind", "resolve"])
    def test_reads_disputes(self, name: str, gateway: PaystackGateway) -> None:
        event = deliver(gateway, {"event": f"charge.dispute.{name}", "data": dispute()})

        assert event.kind is EventKind.DISPUTE_CHANGED
        assert (event.object_id, event.payment_id) == ("2867", "4099260516")
        assert event.reference == REFERENCE

    def test_reads_disputes_that_only_number_their_payment(self, gateway: PaystackGateway) -> None:
        numbered = {"event": "charge.dispute.create", "data": dispute(transaction=4099260516)}

        event = deliver(gateway, numbered)

        assert (event.reference, event.payment_id) == ("", "4099260516")

    @pytest.mark.parametrize(
        "name", ["pending", "processing", "processed", "failed", "needs-attention"]
    )
    def test_reads_refunds(self, name: str, gateway: PaystackGateway) -> None:
        data = {"transaction_reference": REFERENCE, "refund_reference": "TRF_1", "amount": "5000"}

        event = deliver(gateway, {"event": f"refund.{name}", "data": data})

        assert event.kind is EventKind.REFUND_CHANGED
        assert (event.reference, event.object_id) == (REFERENCE, "")

    @pytest.mark.parametrize(
        "name", ["transfer.success", "charge.failed", "charge.disputed", "refunded", "new.event"]
    )
    def test_takes_part_in_nothing_else(self, name: str, gateway: PaystackGateway) -> None:
        event = deliver(gateway, {"event": name, "data": {"id": 1, "reference": "r"}})

        assert (event.kind, event.raw_kind) == (EventKind.OTHER, name)
        assert (event.object_id, event.payment_id) == ("1", "")

    @pytest.mark.parametrize(
        "value", [None, True, 1.5, [], {}, "", "x" * 101, "a\x00b", "a\nb"], ids=repr
    )
    def test_takes_no_nonsense_for_a_name(self, value: Any, gateway: PaystackGateway) -> None:
        data = {"id": value, "reference": value, "paid_at": value, "transaction": value}

        for name in ("charge.success", "charge.dispute.create", "refund.failed", "other"):
            event = deliver(gateway, {"event": name, "data": data})
            assert event.reference == event.object_id == event.payment_id == ""
            assert event.occurred_at is None


KINDS: list[tuple[Callable[[str], bool], EventKind]] = [
    (lambda name: name == "charge.success", EventKind.PAYMENT_SUCCEEDED),
    (lambda name: name.startswith("charge.dispute."), EventKind.DISPUTE_CHANGED),
    (lambda name: name.startswith("refund."), EventKind.REFUND_CHANGED),
    (lambda name: True, EventKind.OTHER),
]


def _samples() -> list[Any]:
    path = specs.FOLDER / "paystack-sample-events.json"
    if not path.exists():
        return [pytest.param(None, marks=pytest.mark.skip("no samples: `make specs`"))]
    return [pytest.param(event, id=name) for name, event in specs.load(path.name)["events"].items()]


@pytest.mark.parametrize("sample", _samples())
def test_reads_every_official_sample(sample: Any, gateway: PaystackGateway, settings: Any) -> None:
    settings.PAYSTACK_SECRET_KEY = "of no mode, as the samples are of both"
    body = bytes_of(sample)
    headers = signed(body, key=settings.PAYSTACK_SECRET_KEY)

    (event,) = gateway.verify(body, headers, now=NOW, remote=ADDRESS)

    assert event.kind is next(kind for fits, kind in KINDS if fits(sample["event"]))
    assert event.raw == sample
    if event.kind is EventKind.OTHER:
        return
    data = sample["data"]
    expected = data.get("reference") or data.get("transaction_reference")
    assert event.reference == (expected or data["transaction"]["reference"])
    assert bool(event.occurred_at) is (event.kind is not EventKind.REFUND_CHANGED)
