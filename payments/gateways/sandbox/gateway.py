"""The sandbox as our services see it: a ``ChargeGateway`` and a ``WebhookVerifier``."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db.transaction import atomic

from legato_payments.lib.money import Money
from payments.enums import Currency
from payments.gateways.base import (
    Ambiguous,
    ChargeRequest,
    ChargeState,
    ClientAction,
    Declined,
    EventKind,
    GatewayEvent,
    InvalidRequest,
    Outcome,
    SignatureInvalid,
    Unavailable,
)
from payments.gateways.sandbox import books, signatures
from payments.models import SandboxCharge

CODE = "SANDBOX"

OUTCOMES = {
    SandboxCharge.Status.OPEN: Outcome.ACTION_REQUIRED,
    SandboxCharge.Status.AUTHENTICATING: Outcome.ACTION_REQUIRED,
    SandboxCharge.Status.SUCCEEDED: Outcome.SUCCEEDED,
    SandboxCharge.Status.FAILED: Outcome.FAILED,
    SandboxCharge.Status.CANCELLED: Outcome.CANCELLED,
}

KINDS = {
    "charge.succeeded": EventKind.PAYMENT_SUCCEEDED,
    "charge.failed": EventKind.PAYMENT_FAILED,
    "charge.cancelled": EventKind.PAYMENT_CANCELLED,
}


class SandboxGateway:
    """A gateway whose payments a person, or a named test method, decides.

    ``pm_card`` pays at once, ``pm_declined`` and ``pm_insufficient_funds`` are refused,
    ``pm_authenticate`` sends the reader to the bank's page, ``pm_timeout_before`` and
    ``pm_timeout_after`` lose the answer before and after the payment is made. Never the amount.
    """

    code = CODE
    currencies = frozenset(Currency.values)
    minimum_minor: Mapping[str, int] = {"USD": 50, "CAD": 50, "NGN": 5_000}

    def create_charge(self, request: ChargeRequest, *, key: str, now: datetime) -> ChargeState:
        """See ``ChargeGateway``. A key used before gives the payment made then."""
        method = request.saved_method
        if method == "pm_timeout_before":
            raise Unavailable("connection refused", gateway=CODE)
        charge = self._open(request, key=key, now=now)
        match method:
            case "pm_card":
                charge = books.pay(charge_id=charge.pk, now=now)
            case "pm_declined" | "pm_insufficient_funds":
                code = {"pm_declined": "card_declined"}.get(method, "insufficient_funds")
                books.decline(charge_id=charge.pk, code=code, now=now)
                raise Declined("The card was declined.", gateway=CODE, code=code)
            case "pm_authenticate":
                charge = books.authenticate(charge_id=charge.pk)
            case "pm_timeout_after":
                books.pay(charge_id=charge.pk, now=now)
                raise Ambiguous("no answer within 20 s", gateway=CODE)
        return _state(charge)

    def get_charge(self, *, reference: str) -> ChargeState | None:
        """See ``ChargeGateway``."""
        charge = SandboxCharge.objects.filter(reference=reference).first()
        return _state(charge) if charge else None

    def cancel_charge(self, *, reference: str, now: datetime) -> ChargeState | None:
        """See ``ChargeGateway``."""
        charge = SandboxCharge.objects.filter(reference=reference).first()
        return _state(books.cancel(charge_id=charge.pk, now=now)) if charge else None

    def verify(
        self, body: bytes, headers: Mapping[str, str], *, now: datetime
    ) -> list[GatewayEvent]:
        """See ``WebhookVerifier``."""
        header = headers.get(signatures.HEADER, "")
        secret = settings.SANDBOX_WEBHOOK_SECRET
        if not secret or not signatures.is_valid(header, body, secret=secret, now=now):
            raise SignatureInvalid("The signature does not match.", gateway=CODE)
        try:
            return [_event(json.loads(body))]
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
            # Ours, but no event: whoever sends it has a bug, and learns of it.
            raise SignatureInvalid("The body is not an event.", gateway=CODE) from error

    @atomic
    def _open(self, request: ChargeRequest, *, key: str, now: datetime) -> SandboxCharge:
        terms = {
            "reference": request.reference,
            "amount_minor": request.amount.minor,
            "currency": request.amount.currency,
        }
        charge, created = SandboxCharge.objects.get_or_create(
            key=key,
            defaults={
                **terms,
                "id": f"sbx_{uuid4().hex}",
                "description": request.description,
                "return_url": request.return_url or "",
                "created_at": now,
            },
        )
        if not created and any(getattr(charge, name) != value for name, value in terms.items()):
            raise InvalidRequest("same key, other parameters", gateway=CODE, code="idempotency")
        return charge


def checkout_url(charge_id: str) -> str:
    """Where the reader pays."""
    return f"{settings.PUBLIC_URL}/sandbox/checkout/{charge_id}"


def _event(raw: dict[str, Any]) -> GatewayEvent:
    if len(raw["id"]) > 100 or not raw["id"].isprintable():
        raise ValueError("no id of ours")
    return GatewayEvent(
        dedupe_key=raw["id"],
        kind=KINDS.get(raw["type"], EventKind.OTHER),
        reference=raw["data"].get("reference", ""),
        occurred_at=datetime.fromtimestamp(raw["created"], UTC),
        raw_kind=raw["type"],
        raw=raw,
    )


def _state(charge: SandboxCharge) -> ChargeState:
    outcome = OUTCOMES[SandboxCharge.Status(charge.status)]
    is_open = outcome is Outcome.ACTION_REQUIRED
    return ChargeState(
        gateway_id=charge.pk,
        reference=charge.reference,
        outcome=outcome,
        amount=Money.from_minor(charge.amount_minor, charge.currency),
        fee=None
        if charge.fee_minor is None
        else Money.from_minor(charge.fee_minor, charge.currency),
        action=ClientAction("redirect", url=checkout_url(charge.pk)) if is_open else None,
        failure_code=charge.failure_code,
        occurred_at=charge.completed_at,
    )
