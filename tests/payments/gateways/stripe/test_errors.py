"""What went wrong, over real sockets: above all, whether the payment may have been made."""

import json
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import stripe
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from legato_payments.lib import http
from legato_payments.lib.money import Money
from payments.gateways import base
from payments.gateways.stripe import client
from payments.gateways.stripe.gateway import StripeGateway
from payments.gateways.values import ChargeRequest, CustomerRef
from tests.payments.gateways.stripe import sockets
from tests.payments.gateways.stripe.sockets import Behaviour, answers, serving

NOW = datetime(2026, 9, 21, 14, 0, tzinfo=UTC)
REQUEST = ChargeRequest(
    reference="lp0123456789abcdef0123456789abcdef",
    amount=Money.from_minor(999, "USD"),
    customer=CustomerRef("reader-1", gateway_id="cus_1"),
    description="1,100 Legato coins",
    saved_method="pm_1",
)
REQUEST_ID = "Request-Id: req_7"


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0)
    monkeypatch.setattr(http, "READ_SECONDS", 0.3)


def charge(url: str, settings: Any) -> None:
    """Ask the Stripe at ``url`` for a payment."""
    settings.STRIPE_API_BASE = url
    StripeGateway().create_charge(REQUEST, key="purchase:1:charge", now=NOW)


def error(status: int, **members: Any) -> Behaviour:
    """An error as Stripe answers it."""
    return answers(status, json.dumps({"error": members}).encode(), REQUEST_ID)


class TestCertainlyNotExecuted:
    def test_nobody_listens(self, settings: Any) -> None:
        with pytest.raises(base.Unavailable):
            charge(f"http://127.0.0.1:{sockets.free_port()}", settings)

    def test_there_is_no_such_name(self, settings: Any) -> None:
        with pytest.raises(base.Unavailable):
            charge("http://stripe.invalid", settings)

    def test_no_connection_comes_about_in_time(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def too_slow(*args: Any, **kwargs: Any) -> requests.Response:
            raise requests.ConnectTimeout

        monkeypatch.setattr(http.Session, "request", too_slow)

        with pytest.raises(base.Unavailable):
            charge("http://127.0.0.1:9", settings)

    def test_it_is_not_stripe(self, settings: Any, tmp_path: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*_self_signed(tmp_path))
        with serving(sockets.hangs_up, tls=context) as server, pytest.raises(base.Unavailable):
            charge(server.url, settings)

        assert server.requests == []


class TestPerhapsExecuted:
    @pytest.mark.parametrize(
        "behaviour",
        [
            pytest.param(sockets.is_silent, id="time-out after sending"),
            pytest.param(sockets.resets, id="reset"),
            pytest.param(sockets.hangs_up, id="closed without an answer"),
            pytest.param(sockets.breaks_off, id="half an answer"),
            pytest.param(error(500, type="api_error"), id="500"),
            pytest.param(error(503, type="api_error"), id="503"),
            pytest.param(error(409, type="api_error"), id="409"),
            pytest.param(
                error(409, type="invalid_request_error", code="idempotency_key_in_use"),
                id="409, key in use",
            ),
            pytest.param(answers(502, b"<html>Bad Gateway</html>"), id="page of a proxy"),
            pytest.param(answers(302, b"", "Location: http://127.0.0.1:9/"), id="led elsewhere"),
            pytest.param(answers(200, b"<html>Welcome</html>"), id="no JSON"),
            pytest.param(answers(200, b"\xff\xfe"), id="no text"),
            pytest.param(answers(200, b""), id="empty"),
            pytest.param(answers(200, b"[]"), id="a list"),
            pytest.param(answers(200, b"null"), id="null"),
            pytest.param(answers(200, b'"ok"'), id="text"),
            pytest.param(answers(200, b"{}"), id="no payment"),
            pytest.param(
                answers(200, b'{"object": "payment_intent", "id": "pi_1", "status": "new"}'),
                id="unknown status",
            ),
            pytest.param(answers(400, b"{}"), id="an error without one"),
            pytest.param(answers(400, b'{"error": []}'), id="an error that is a list"),
            pytest.param(answers(400, b"<html>Bad Request</html>"), id="400, not Stripe's"),
        ],
    )
    def test_no_readable_answer_came_although_it_was_sent(
        self, settings: Any, behaviour: Behaviour
    ) -> None:
        with serving(behaviour) as server, pytest.raises(base.Ambiguous):
            charge(server.url, settings)

        assert set(server.keys) == {b"purchase:1:charge"}
        assert len(server.keys) <= 1 + client.MAX_RETRIES

    @pytest.mark.parametrize(
        "first", [error(500, type="api_error"), sockets.resets], ids=["500", "reset"]
    )
    def test_the_first_attempt_arrived_and_the_second_did_not(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch, first: Behaviour
    ) -> None:
        with serving(first) as server:

            def gone_in_between(*_: Any) -> int:
                server.close()
                return 0

            monkeypatch.setattr(stripe.HTTPClient, "_sleep_time_seconds", gone_in_between)

            with pytest.raises(base.Ambiguous):
                charge(server.url, settings)

        assert server.keys == [b"purchase:1:charge"]

    def test_the_connection_broke_while_another_error_was_handled(self, settings: Any) -> None:
        """An error carries what was handled when it came: here, one that was never sent."""
        with serving(sockets.resets) as server:
            try:
                requests.get(f"http://127.0.0.1:{sockets.free_port()}", timeout=1)
            except requests.ConnectionError:
                with pytest.raises(base.Ambiguous):
                    charge(server.url, settings)

        assert set(server.keys) == {b"purchase:1:charge"}


class TestAnswered:
    def test_a_second_attempt_with_the_same_key_may_succeed(self, settings: Any) -> None:
        refused = error(400, type="invalid_request_error", code="parameter_missing")
        with serving(sockets.resets, refused) as server, pytest.raises(base.InvalidRequest):
            charge(server.url, settings)

        assert server.keys == [b"purchase:1:charge"] * 2

    @pytest.mark.parametrize(
        ("behaviour", "raised", "code"),
        [
            (error(429, type="invalid_request_error"), base.RateLimited, ""),
            (
                error(429, type="invalid_request_error", code="lock_timeout"),
                base.RateLimited,
                "lock_timeout",
            ),
            (error(401, type="invalid_request_error"), base.AuthenticationFailed, ""),
            (error(403, type="invalid_request_error"), base.AuthenticationFailed, ""),
            (error(404, type="invalid_request_error"), base.InvalidRequest, ""),
            (
                error(400, type="invalid_request_error", code="amount_too_small", param="amount"),
                base.InvalidRequest,
                "amount_too_small",
            ),
            (error(400, type="idempotency_error"), base.InvalidRequest, "idempotency_error"),
            (
                error(402, type="card_error", code="expired_card"),
                base.Declined,
                "expired_card",
            ),
            (
                error(
                    402,
                    type="card_error",
                    code="card_declined",
                    decline_code="insufficient_funds",
                ),
                base.Declined,
                "insufficient_funds",
            ),
            (
                error(402, type="card_error", code="authentication_required"),
                base.ActionRequired,
                "authentication_required",
            ),
        ],
    )
    def test_the_answer_says_what_happened(
        self, settings: Any, behaviour: Behaviour, raised: type[base.GatewayError], code: str
    ) -> None:
        with serving(behaviour) as server, pytest.raises(raised) as caught:
            charge(server.url, settings)

        assert type(caught.value) is raised
        assert caught.value.code == code
        assert caught.value.gateway == "STRIPE"
        assert caught.value.request_id == "req_7"
        assert len(server.requests) == 1

    def test_stripe_may_ask_not_to_be_asked_again(self, settings: Any) -> None:
        last = answers(500, b'{"error": {"type": "api_error"}}', "Stripe-Should-Retry: false")
        with serving(last) as server, pytest.raises(base.Ambiguous):
            charge(server.url, settings)

        assert len(server.requests) == 1


def test_every_request_carries_key_version_and_nothing_about_this_machine(settings: Any) -> None:
    settings.STRIPE_SECRET_KEY = "sk_test_0123456789"
    with serving(error(400, type="invalid_request_error")) as server:
        with pytest.raises(base.InvalidRequest):
            charge(server.url, settings)

        (request,) = server.requests

    lines = request.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert lines[0] == b"POST /v1/payment_intents HTTP/1.1"
    assert b"Authorization: Bearer sk_test_0123456789" in lines
    assert b"Stripe-Version: 2026-05-27.dahlia" in lines
    assert b"Idempotency-Key: purchase:1:charge" in lines
    assert b"telemetry" not in request.lower()
    assert b'"platform"' not in request


def test_a_page_that_fails_is_an_error_in_the_middle_of_a_list(settings: Any) -> None:
    line = {
        "object": "balance_transaction",
        "id": "txn_1",
        "amount": 1,
        "fee": 0,
        "currency": "usd",
        "reporting_category": "charge",
        "source": None,
        "created": 1_790_000_000,
    }
    page = {"object": "list", "data": [line], "has_more": True, "url": "/v1/balance_transactions"}
    with serving(answers(200, json.dumps(page).encode()), error(429)) as server:
        settings.STRIPE_API_BASE = server.url
        lines = StripeGateway().settlement_lines("po_1")

        assert next(lines).id == "txn_1"
        with pytest.raises(base.RateLimited):
            next(lines)


def _self_signed(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "key.pem").write_bytes(secret)
    return folder / "cert.pem", folder / "key.pem"
