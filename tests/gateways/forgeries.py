"""Deliveries that are not the gateway's to us: twenty kinds, each made of a real one."""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import stripe

from tests.factories import NOW
from tests.gateways.tills import StripeTill, Till

type Delivery = tuple[bytes, Mapping[str, str]]
type Forger = Callable[[Till, Delivery, Delivery], Delivery]

TIME = int(NOW.timestamp())


def _name(headers: Mapping[str, str]) -> str:
    return next(name for name in headers if "signature" in name.lower())


def _with(value: str | None) -> Forger:
    def forge(till: Till, real: Delivery, other: Delivery) -> Delivery:
        body, headers = real
        return body, {} if value is None else {_name(headers): value}

    return forge


def _header(change: Callable[[str], str]) -> Forger:
    def forge(till: Till, real: Delivery, other: Delivery) -> Delivery:
        body, headers = real
        name = _name(headers)
        return body, {name: change(headers[name])}

    return forge


def _body(change: Callable[[bytes], bytes]) -> Forger:
    def forge(till: Till, real: Delivery, other: Delivery) -> Delivery:
        body, headers = real
        return change(body), headers

    return forge


def _signed(change: Callable[[dict[str, Any]], None], *, shift: int = 0) -> Forger:
    """Signed with the right secret, but not for us, or not now."""

    def forge(till: Till, real: Delivery, other: Delivery) -> Delivery:
        event = json.loads(real[0])
        change(event)
        body = json.dumps(event).encode()
        return body, sign(till, body, shift=shift)

    return forge


def sign(till: Till, body: bytes, *, secret: str = "", shift: int = 0) -> dict[str, str]:
    """By the gateway's rules, though perhaps with another secret or at another time."""
    if isinstance(till, StripeTill):
        key = secret or "whsec_peer"
        made = stripe.WebhookSignature.generate_signature_header(
            body.decode(errors="surrogateescape"), key, TIME + shift
        )
        return {"Stripe-Signature": str(made)}
    key = secret or till.peer.key  # type: ignore[attr-defined]
    digest = hmac.new(key.encode(), body, hashlib.sha512).hexdigest()
    return {"x-paystack-signature": digest}


def _other_mode(event: dict[str, Any]) -> None:
    if "livemode" in event:
        event["livemode"] = True
    else:
        event["data"] = {"domain": "live", "reference": "lp1"}


def _other_account(event: dict[str, Any]) -> None:
    if "livemode" in event:
        event["account"] = "acct_somebody"
    else:
        _other_mode(event)


def _of_another_secret(till: Till, real: Delivery, other: Delivery) -> Delivery:
    return real[0], sign(till, real[0], secret="whsec_of_somebody")


def _of_another_delivery(till: Till, real: Delivery, other: Delivery) -> Delivery:
    return real[0], other[1]


def _another_body(till: Till, real: Delivery, other: Delivery) -> Delivery:
    return other[0], real[1]


def _another_name(till: Till, real: Delivery, other: Delivery) -> Delivery:
    return real[0], {"X-Signature": real[1][_name(real[1])]}


def _old(till: Till, real: Delivery, other: Delivery) -> Delivery:
    shift = -301 if isinstance(till, StripeTill) else 0
    return _signed(lambda event: None if shift else _other_mode(event), shift=shift)(
        till, real, other
    )


def _future(till: Till, real: Delivery, other: Delivery) -> Delivery:
    shift = 301 if isinstance(till, StripeTill) else 0
    return _signed(lambda event: None if shift else _other_mode(event), shift=shift)(
        till, real, other
    )


FORGERS: Mapping[str, Forger] = {
    "no header": _with(None),
    "an empty header": _with(""),
    "a header of noise": _with("t=1,v1=00,\udcff"),
    "half a signature": _header(lambda value: value[: len(value) // 2]),
    "one digit changed": _header(lambda value: value[:-1] + ("0" if value[-1] != "0" else "1")),
    "one digit more": _header(lambda value: value + "0"),
    "another scheme": _header(
        lambda value: value.replace("v1=", "v0=") if "v1=" in value else f"sha512={value}"
    ),
    "another name": _another_name,
    "another delivery's header": _of_another_delivery,
    "another delivery's body": _another_body,
    "a byte more": _body(lambda body: body + b" "),
    "cut short": _body(lambda body: body[:-1]),
    "emptied": _body(lambda body: b""),
    "an amount raised": _body(lambda body: body.replace(b"amount", b"amounts", 1) + b"\n"),
    "written anew": _body(lambda body: json.dumps(json.loads(body), indent=1).encode()),
    "another secret": _of_another_secret,
    "too old": _old,
    "of the future": _future,
    "of the other mode": _signed(_other_mode),
    "of another account": _signed(_other_account),
}


def forged(till: Till, deliveries: list[Delivery], count: int) -> Iterator[Delivery]:
    """``count`` forgeries, of each kind as many, made of all deliveries in turn."""
    kinds = list(FORGERS.values())
    for number in range(count):
        real = deliveries[number % len(deliveries)]
        other = deliveries[(number + 1) % len(deliveries)]
        yield kinds[number % len(kinds)](till, real, other)
