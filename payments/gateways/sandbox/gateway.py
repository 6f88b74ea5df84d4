"""The sandbox as our services see it: a ``ChargeGateway`` and a ``WebhookVerifier``."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from uuid import uuid4

from django.conf import settings
from django.db.models import F, QuerySet, Sum
from django.db.transaction import atomic

from legato_payments.lib import clock
from legato_payments.lib.money import Money
from payments.enums import Currency
from payments.gateways.base import (
    ActionRequired,
    Ambiguous,
    Declined,
    InvalidRequest,
    SignatureInvalid,
    Unavailable,
)
from payments.gateways.sandbox import books, disputes, refunds, signatures, states
from payments.gateways.values import (
    BalanceState,
    ChargeRequest,
    ChargeState,
    CustomerRef,
    DisputeState,
    Evidence,
    GatewayEvent,
    LedgerLine,
    RefundRequest,
    RefundState,
    SettlementState,
    Window,
)
from payments.models import (
    SandboxCharge,
    SandboxDispute,
    SandboxLine,
    SandboxMethod,
    SandboxRefund,
    SandboxSettlement,
)

CODE = "SANDBOX"

PAID_AT_ONCE = frozenset(
    {"pm_card", "pm_dispute", "pm_refund_pending", "pm_refund_fails", "pm_refund_attention"}
)

DECLINES: Mapping[str, str] = {
    "pm_declined": "card_declined",
    "pm_insufficient_funds": "insufficient_funds",
    "pm_detached": "payment_method_unusable",
}
"""What the bank, or the sandbox itself, says of a test method that it refuses."""


class SandboxGateway:
    """A gateway whose payments a person, or a named test method, decides.

    ``pm_card`` pays at once, ``pm_declined`` and ``pm_insufficient_funds`` are refused,
    ``pm_authenticate`` sends the reader to the bank's page, ``pm_timeout_before`` and
    ``pm_timeout_after`` lose the answer before and after the payment is made, ``pm_dispute`` is
    disputed as soon as it is paid; see ``refunds`` for the rest. Never the amount. A card that was
    kept acts as one of them: ``pm_card``, or ``pm_authenticate`` where the bank asked the first
    time.
    """

    code = CODE
    currencies = frozenset(Currency.values)
    needs_email = False
    minimum_minor: Mapping[str, int] = {"USD": 50, "CAD": 50, "NGN": 5_000}
    has_customers = False

    def create_charge(self, request: ChargeRequest, *, key: str, now: datetime) -> ChargeState:
        """See ``ChargeGateway``. A key used before gives the payment made then."""
        method = _behaviour(request.saved_method)
        if method == "pm_timeout_before":
            raise Unavailable("connection refused", gateway=CODE)
        charge = self._open(request, key=key, now=now)
        match method:
            case "pm_declined" | "pm_insufficient_funds" | "pm_detached":
                code = DECLINES[method]
                books.decline(charge_id=charge.pk, code=code, now=now)
                raise Declined("The card was declined.", gateway=CODE, code=code)
            case "pm_authenticate" if request.off_session:
                code = "authentication_required"
                books.decline(charge_id=charge.pk, code=code, now=now)
                raise ActionRequired("The bank asks the reader.", gateway=CODE, code=code)
            case "pm_authenticate":
                charge = books.authenticate(charge_id=charge.pk)
            case "pm_timeout_after":
                books.pay(charge_id=charge.pk, now=now)
                raise Ambiguous("no answer within 20 s", gateway=CODE)
            case _ if method in PAID_AT_ONCE:
                charge = books.pay(charge_id=charge.pk, now=now)
        if method == "pm_dispute" and not charge.disputes.exists():
            disputes.open_one(charge_id=charge.pk, now=now)
        return states.charge_state(charge)

    def get_charge(
        self, *, reference: str, gateway_id: str = "", since: datetime | None = None
    ) -> ChargeState | None:
        """See ``ChargeGateway``."""
        charge = SandboxCharge.objects.filter(reference=reference).first()
        return states.charge_state(charge) if charge else None

    def cancel_charge(
        self,
        *,
        reference: str,
        now: datetime,
        gateway_id: str = "",
        since: datetime | None = None,
    ) -> ChargeState | None:
        """See ``ChargeGateway``."""
        charge = SandboxCharge.objects.filter(reference=reference).first()
        if charge is None:
            return None
        return states.charge_state(books.cancel(charge_id=charge.pk, now=now))

    def ensure_customer(self, customer: CustomerRef, *, key: str) -> str:
        """See ``ChargeGateway``."""
        return ""

    def detach_method(self, token: str, *, key: str) -> None:
        """See ``ChargeGateway``."""
        SandboxMethod.objects.filter(pk=token).update(is_detached=True)

    def refund(self, request: RefundRequest, *, key: str, now: datetime) -> RefundState:
        """See ``ChargeGateway``."""
        charge = SandboxCharge.objects.filter(pk=request.payment_id).first()
        if charge is None:
            raise InvalidRequest("no such payment", gateway=CODE, code="not_found")
        refund = refunds.make(
            charge_id=charge.pk,
            amount_minor=request.amount.minor,
            reference=request.reference,
            key=key,
            now=now,
        )
        return states.refund_state(refund)

    def get_refund(
        self,
        *,
        reference: str,
        payment_id: str,
        charge_reference: str,
        gateway_id: str = "",
        since: datetime | None = None,
    ) -> RefundState | None:
        """See ``ChargeGateway``."""
        known = SandboxRefund.objects.select_related("charge")
        by = {"pk": gateway_id} if gateway_id else {"reference": reference}
        refund = known.filter(**by).first()
        return states.refund_state(refund) if refund else None

    def get_dispute(self, *, gateway_id: str) -> DisputeState | None:
        """See ``ChargeGateway``."""
        dispute = SandboxDispute.objects.select_related("charge").filter(pk=gateway_id).first()
        return states.dispute_state(dispute) if dispute else None

    def submit_evidence(self, *, gateway_id: str, evidence: Evidence, key: str) -> DisputeState:
        """See ``ChargeGateway``."""
        given = {"message": evidence.message, "access_log": evidence.access_log}
        dispute = disputes.answer(dispute_id=gateway_id, evidence=given, now=clock.now())
        return states.dispute_state(dispute)

    def accept_dispute(self, *, gateway_id: str, key: str) -> DisputeState:
        """See ``ChargeGateway``."""
        return states.dispute_state(disputes.lose(dispute_id=gateway_id, now=clock.now()))

    def list_charges(self, window: Window) -> Iterator[ChargeState]:
        """See ``ChargeGateway``."""
        rows = SandboxCharge.objects.filter(created_at__gte=window.start, created_at__lt=window.end)
        return map(states.charge_state, rows.order_by("created_at", "pk").iterator())

    def list_refunds(self, window: Window) -> Iterator[RefundState]:
        """See ``ChargeGateway``."""
        rows = SandboxRefund.objects.filter(
            created_at__gte=window.start, created_at__lt=window.end
        ).select_related("charge")
        return map(states.refund_state, rows.order_by("created_at", "pk").iterator())

    def list_disputes(self, window: Window) -> Iterator[DisputeState]:
        """See ``ChargeGateway``."""
        rows = SandboxDispute.objects.filter(
            opened_at__gte=window.start, opened_at__lt=window.end
        ).select_related("charge")
        return map(states.dispute_state, rows.order_by("opened_at", "pk").iterator())

    def list_settlements(self, window: Window) -> Iterator[SettlementState]:
        """See ``ChargeGateway``."""
        return map(states.settlement_state, _settlements(window).iterator())

    def ledger(self, window: Window) -> Iterator[LedgerLine]:
        """See ``ChargeGateway``."""
        lines = SandboxLine.objects.filter(
            occurred_at__gte=window.start, occurred_at__lt=window.end
        )
        yield from map(states.line_state, lines.order_by("occurred_at", "pk").iterator())
        yield from map(states.settlement_line, _settlements(window).iterator())

    def settlement_lines(self, gateway_id: str) -> Iterator[LedgerLine]:
        """See ``ChargeGateway``."""
        lines = SandboxLine.objects.filter(settlement_id=gateway_id)
        return map(states.line_state, lines.order_by("pk").iterator())

    def balances(self) -> list[BalanceState]:
        """See ``ChargeGateway``. Nothing is pending but what the next transfer leaves here."""
        net = SandboxLine.objects.filter(settlement=None).values("currency")
        totals = net.annotate(net=Sum(F("gross_minor") - F("fee_minor"))).order_by("currency")
        return [
            BalanceState(
                available=Money.from_minor(row["net"], row["currency"]),
                pending=Money(0, row["currency"]),
            )
            for row in totals
        ]

    def verify(
        self, body: bytes, headers: Mapping[str, str], *, now: datetime, remote: str = ""
    ) -> list[GatewayEvent]:
        """See ``WebhookVerifier``."""
        header = headers.get(signatures.HEADER, "")
        secret = settings.SANDBOX_WEBHOOK_SECRET
        if not secret or not signatures.is_valid(header, body, secret=secret, now=now):
            raise SignatureInvalid("The signature does not match.", gateway=CODE, code="signature")
        try:
            return [states.event(json.loads(body))]
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
            # Ours, but no event: whoever sends it has a bug, and learns of it.
            raise SignatureInvalid(
                "The body is not an event.", gateway=CODE, code="body"
            ) from error

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
                "method": request.saved_method or "",
                "keeps_method": request.save_method,
                "metadata": dict(request.metadata),
                "created_at": now,
            },
        )
        if not created and any(getattr(charge, name) != value for name, value in terms.items()):
            raise InvalidRequest("same key, other parameters", gateway=CODE, code="idempotency")
        return charge


def _behaviour(method: str | None) -> str | None:
    """The test method that a charge is made with; a kept card acts as one."""
    kept = SandboxMethod.objects.filter(pk=method).first() if method else None
    if kept is None:
        return method
    return "pm_detached" if kept.is_detached else kept.acts_as


def _settlements(window: Window) -> QuerySet[SandboxSettlement]:
    rows = SandboxSettlement.objects.filter(created_at__gte=window.start, created_at__lt=window.end)
    return rows.order_by("created_at", "pk")
