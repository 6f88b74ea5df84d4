"""POST /api/v1/payments/webhooks/{provider}: authentic deliveries once, forged ones never"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client

from legato_payments.lib import clock
from payments.gateways.sandbox import books, signatures
from payments.models import Purchase, SandboxDelivery, WebhookEvent
from tests import factories
from tests.clients import PAYMENTS, api
from tests.payments import books_of

pytestmark = pytest.mark.django_db

URL = f"{PAYMENTS}/webhooks/sandbox"

Header = str | None
Forgery = Callable[[bytes, datetime], tuple[bytes, Header]]


@pytest.fixture
def body() -> bytes:
    """What the sandbox sends when an Ultimate Pack was paid; nobody has sent it yet."""
    purchase = factories.start_purchase()
    books.pay(charge_id=factories.charge_of(purchase).pk, now=clock.now())
    return bytes(SandboxDelivery.objects.get().body)


def secret() -> str:
    return str(django_settings.SANDBOX_WEBHOOK_SECRET)


def sign(body: bytes, now: datetime, *, with_secret: str | None = None) -> str:
    return signatures.sign(body, secret=secret() if with_secret is None else with_secret, now=now)


def digest(text: bytes, *, algorithm: str = "sha256") -> str:
    return hmac.new(secret().encode(), text, algorithm).hexdigest()


def time_of(header: str) -> str:
    return header.partition(",")[0].removeprefix("t=")


def signature_of(header: str) -> str:
    return header.partition("v1=")[2]


def post(body: bytes, header: Header, *, url: str = URL, name: str = signatures.HEADER) -> Any:
    headers = {} if header is None else {name: header}
    return Client().post(url, body, content_type="application/json", headers=headers)


def raised(body: bytes) -> bytes:
    """The same event about ten times the money."""
    event = json.loads(body)
    event["data"]["amount"] *= 10
    return json.dumps(event, separators=(",", ":")).encode()


FORGERIES: dict[str, Forgery] = {
    "no header": lambda body, now: (body, None),
    "an empty header": lambda body, now: (body, ""),
    "another secret": lambda body, now: (body, sign(body, now, with_secret="guessed")),
    "an empty secret": lambda body, now: (body, sign(body, now, with_secret="")),
    "the secret in capitals": lambda body, now: (
        body, sign(body, now, with_secret=secret().upper()),
    ),
    "an altered body": lambda body, now: (raised(body), sign(body, now)),
    "a space after the body": lambda body, now: (body + b" ", sign(body, now)),
    "the body written anew": lambda body, now: (
        json.dumps(json.loads(body)).encode(), sign(body, now),
    ),
    "half of the body": lambda body, now: (body[: len(body) // 2], sign(body, now)),
    "no body": lambda body, now: (b"", sign(body, now)),
    "five minutes and a second old": lambda body, now: (
        body, sign(body, now - timedelta(seconds=301)),
    ),
    "a year old": lambda body, now: (body, sign(body, now - timedelta(days=365))),
    "from the future": lambda body, now: (body, sign(body, now + timedelta(seconds=310))),
    "from the far future": lambda body, now: (body, sign(body, now + timedelta(days=365))),
    "an old signature with a new time": lambda body, now: (
        body,
        f"t={int(now.timestamp())},v1={signature_of(sign(body, now - timedelta(days=1)))}",
    ),
    "no time": lambda body, now: (body, f"v1={signature_of(sign(body, now))}"),
    "two times": lambda body, now: (body, f"t={int(now.timestamp()) - 1},{sign(body, now)}"),
    "the time twice": lambda body, now: (body, f"t={int(now.timestamp())},{sign(body, now)}"),
    "an empty time": lambda body, now: (body, f"t=,v1={digest(b'.' + body)}"),
    "a negative time": lambda body, now: (body, f"t=-1,v1={digest(b'-1.' + body)}"),
    "a time with a fraction": lambda body, now: (
        body,
        f"t={now.timestamp()},v1={digest(f'{now.timestamp()}.'.encode() + body)}",
    ),
    "a hexadecimal time": lambda body, now: (
        body,
        f"t={int(now.timestamp()):x},v1={digest(f'{int(now.timestamp()):x}.'.encode() + body)}",
    ),
    "a time in milliseconds": lambda body, now: (
        body,
        f"t={int(now.timestamp())}000,v1={digest(f'{int(now.timestamp())}000.'.encode() + body)}",
    ),
    "a time of 400 digits": lambda body, now: (
        body, f"t={'9' * 400},v1={digest(b'9' * 400 + b'.' + body)}",
    ),
    "a time that is a word": lambda body, now: (body, f"t=now,v1={digest(b'now.' + body)}"),
    "no signature": lambda body, now: (body, f"t={int(now.timestamp())}"),
    "an empty signature": lambda body, now: (body, f"t={int(now.timestamp())},v1="),
    "a signature cut short": lambda body, now: (body, sign(body, now)[:-1]),
    "a signature with a digit more": lambda body, now: (body, sign(body, now) + "0"),
    "a signature in capitals": lambda body, now: (
        body, sign(body, now).partition(",")[0] + ",v1=" + signature_of(sign(body, now)).upper(),
    ),
    "a signature in base64": lambda body, now: (
        body,
        f"t={time_of(sign(body, now))},v1="
        + base64.b64encode(bytes.fromhex(signature_of(sign(body, now)))).decode(),
    ),
    "several signatures, all wrong": lambda body, now: (
        body, f"t={int(now.timestamp())},v1={'0' * 64},v1={'f' * 64},v1={'a' * 64}",
    ),
    "another version of the scheme": lambda body, now: (
        body, sign(body, now).replace("v1=", "v0="),
    ),
    "a signature without its name": lambda body, now: (
        body, sign(body, now).replace("v1=", ""),
    ),
    "semicolons": lambda body, now: (body, sign(body, now).replace(",", ";")),
    "a signature of the body alone": lambda body, now: (
        body, f"t={int(now.timestamp())},v1={digest(body)}",
    ),
    "a plain hash": lambda body, now: (
        body,
        f"t={int(now.timestamp())},v1="
        + hashlib.sha256(f"{int(now.timestamp())}.".encode() + body).hexdigest(),
    ),
    "a weaker hash": lambda body, now: (
        body,
        f"t={int(now.timestamp())},v1="
        + digest(f"{int(now.timestamp())}.".encode() + body, algorithm="sha1"),
    ),
    "Paystack's scheme": lambda body, now: (body, digest(body, algorithm="sha512")),
    "a signature of another delivery": lambda body, now: (body, sign(b'{"id":"evt_0"}', now)),
    "letters beyond ASCII": lambda body, now: (body, f"t={int(now.timestamp())},v1=äöü"),
    "nonsense": lambda body, now: (body, "=,=,,t,v1,=t=v1"),
}  # fmt: skip


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_forged_delivery_changes_nothing(body: bytes, forge: Forgery) -> None:
    sent, header = forge(body, clock.now())

    with books_of.nothing_changed():
        answer = post(sent, header)

    assert answer.status_code == 400
    assert answer.json()["code"] == "signature_invalid"
    assert Purchase.objects.get().status == Purchase.Status.PENDING


def test_a_signature_in_another_header_is_none(body: bytes) -> None:
    for name in ("Stripe-Signature", "X-Paystack-Signature", "Signature", "Authorization"):
        with books_of.nothing_changed():
            assert post(body, sign(body, clock.now()), name=name).status_code == 400


def test_a_token_is_no_signature(body: bytes) -> None:
    caller = api(service="sandbox", scopes=["purchases:confirm"])

    with books_of.nothing_changed():
        answer = caller.post(URL, json.loads(body))

    assert answer.status_code == 400


class TestAuthentic:
    def test_is_stored_as_it_came_and_answered_at_once(self, body: bytes) -> None:
        before = clock.now()

        answer = post(body, sign(body, clock.now()))

        assert (answer.status_code, answer.content) == (200, b"")
        event = WebhookEvent.objects.get()
        assert bytes(event.body) == body
        assert (event.provider, event.kind, event.status) == (
            "SANDBOX", "payment.succeeded", WebhookEvent.Status.RECEIVED,
        )  # fmt: skip
        assert event.reference == Purchase.objects.get().reference
        assert event.dedupe_key == SandboxDelivery.objects.get().event_id
        assert event.next_attempt_at is not None
        assert before <= event.received_at == event.next_attempt_at

    def test_is_not_acted_upon_before_it_is_answered(self, body: bytes) -> None:
        with books_of.nothing_credited():
            post(body, sign(body, clock.now()))

        assert Purchase.objects.get().status == Purchase.Status.PENDING

    def test_one_right_signature_of_several_is_enough(self, body: bytes) -> None:
        # So that the secret can be rolled: for a while the gateway signs with both.
        header = sign(body, clock.now())
        rolled = f"t={time_of(header)},v1={'0' * 64},v1={signature_of(header)}"

        assert post(body, rolled).status_code == 200
        assert WebhookEvent.objects.count() == 1

    @pytest.mark.parametrize("seconds", [-295, 0, 295])
    def test_a_clock_may_be_off_by_some_minutes(self, body: bytes, seconds: int) -> None:
        header = sign(body, clock.now() + timedelta(seconds=seconds))

        assert post(body, header).status_code == 200

    def test_the_bytes_count_and_not_what_they_are_called(self, body: bytes) -> None:
        headers = {signatures.HEADER: sign(body, clock.now())}

        answer = Client().post(URL, body, content_type="text/plain", headers=headers)

        assert answer.status_code == 200

    def test_the_same_again_is_answered_alike_and_stored_once(self, body: bytes) -> None:
        header = sign(body, clock.now())

        answers = [post(body, header) for _ in range(3)]
        # A retry of the gateway is signed anew.
        answers.append(post(body, sign(body, clock.now() - timedelta(seconds=60))))

        assert [answer.status_code for answer in answers] == [200] * 4
        assert WebhookEvent.objects.count() == 1

    def test_a_kind_we_do_not_know_is_taken_all_the_same(self, body: bytes) -> None:
        event = json.loads(body) | {"id": "evt_other", "type": "charge.blessed"}
        other = json.dumps(event).encode()

        assert post(other, sign(other, clock.now())).status_code == 200
        assert WebhookEvent.objects.get().kind == "other"


class TestAddress:
    @pytest.mark.parametrize("provider", ["nobody", "stripe", "paystack", "sandbox-2"])
    def test_a_provider_that_is_not_set_up_has_none(self, body: bytes, provider: str) -> None:
        url = f"{PAYMENTS}/webhooks/{provider}"

        with books_of.nothing_changed():
            answer = post(body, sign(body, clock.now()), url=url)

        assert answer.status_code == 404
        assert answer.json()["code"] == "not_found"

    def test_the_sandbox_has_none_where_it_is_off(self, body: bytes, settings: Any) -> None:
        settings.GATEWAY_SANDBOX = False

        with books_of.nothing_changed():
            assert post(body, sign(body, clock.now())).status_code == 404

    @pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
    def test_takes_posts_alone(self, method: str) -> None:
        assert getattr(Client(), method)(URL).status_code == 405

    def test_takes_no_more_than_a_webhook_weighs(self, body: bytes) -> None:
        huge = body + b" " * 256 * 1024

        with books_of.nothing_changed():
            answer = post(huge, sign(huge, clock.now()))

        assert answer.status_code == 413
