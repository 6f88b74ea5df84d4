"""What a comparison with a gateway comes to: findings, and how both sides are written down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from legato_payments.lib.errors import DomainError
from legato_payments.lib.money import Money
from payments import approvals, ledger
from payments.gateways.values import ChargeState, DisputeState, LedgerLine, RefundState
from payments.models import Difference, Dispute, Purchase, Refund
from payments.queries.gateway_books import Source
from payments.services.disputes import DisputeMismatch
from payments.services.refund_outcomes import RefundMismatch

Subject = Difference.Subject
Kind = Difference.Kind

REFUSALS = (DomainError, ledger.KeyAlreadyPosted, RefundMismatch, DisputeMismatch, LookupError)
"""Why a repair may not be done: what is left is a difference, and a person's work."""

type Side = Mapping[str, str] | None
type Identity = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that differs, as it is now.

    Args:
        key: Of the thing within its subject; the same whenever it is found.
        day: Of the gateway's list, or of ours, in which it stands.
        source: Our object, if there is one.
        gap: What the gateway holds for us beyond our books.
        is_repairable: A run that may repair would have done so.
    """

    subject: Subject
    kind: Kind
    key: str
    day: date
    ours: Side
    theirs: Side
    reference: str = ""
    gateway_id: str = ""
    source: Source | None = None
    gap: Money | None = None
    is_repairable: bool = False

    @property
    def identity(self) -> Identity:
        """What makes two findings of one provider the same difference."""
        return (self.subject, self.kind, self.key)

    @property
    def fingerprint(self) -> str:
        """Of what both sides say: another one means that something changed."""
        return approvals.fingerprint({"ours": self.ours, "theirs": self.theirs})


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a comparison is told.

    Args:
        repairs: Whether to bring our side to the gateway's where services can.
    """

    provider: str
    now: datetime
    repairs: bool = True


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of one object of the gateway's.

    Args:
        money: What it is about, for counting; nothing when no money moved.
        source: Our object, if there is one.
    """

    findings: tuple[Finding, ...] = ()
    money: Money | None = None
    is_repaired: bool = False
    source: Source | None = None


@dataclass(slots=True)
class Counts:
    """Objects that agree, and those that were made to, in one currency of a day."""

    matched: int = 0
    repaired: int = 0


@dataclass(slots=True)
class Tally:
    """What one day of a run came to."""

    day: date
    findings: dict[Identity, Finding] = field(default_factory=dict)
    counts: dict[str, Counts] = field(default_factory=dict)
    sources: set[Source] = field(default_factory=set)
    """Ours that were looked at."""
    _by_source: dict[Source | None, list[Finding]] = field(default_factory=dict)
    _by_gateway_id: dict[str, list[Finding]] = field(default_factory=dict)

    def add(self, checked: Checked, *, is_of_the_day: bool = True) -> None:
        """Count one object of the gateway's.

        Args:
            is_of_the_day: It was made on this day, and so counts as matched here.
        """
        if checked.source:
            self.sources.add(checked.source)
        for finding in checked.findings:
            self.report(finding)
        if checked.findings or checked.money is None:
            return
        counts = self.counts.setdefault(checked.money.currency, Counts())
        counts.matched += is_of_the_day and not checked.is_repaired
        counts.repaired += checked.is_repaired

    def report(self, finding: Finding) -> None:
        """Add one thing that differs, once."""
        if finding.identity not in self.findings:
            self.findings[finding.identity] = finding
            self._by_source.setdefault(finding.source, []).append(finding)
            self._by_gateway_id.setdefault(finding.gateway_id, []).append(finding)

    def of_source(self, source: Source) -> list[Finding]:
        """What was found about one object of ours."""
        return self._by_source.get(source, [])

    def of_gateway_id(self, gateway_id: str) -> list[Finding]:
        """What was found about one object of the gateway's."""
        return self._by_gateway_id.get(gateway_id, []) if gateway_id else []


def of_purchase(purchase: Purchase) -> dict[str, str]:
    """Our side of a payment."""
    side = {
        "status": purchase.status,
        **money("amount", Money(purchase.total_micros, purchase.currency)),
        "reference": purchase.reference,
        "payment": purchase.payment_id or purchase.gateway_id,
        "reader": purchase.user_id,
    }
    if purchase.fee_micros is not None:
        side |= money("fee", Money(purchase.fee_micros, purchase.fee_currency or purchase.currency))
    return side | ({"why": purchase.quarantine_reason} if purchase.quarantine_reason else {})


def of_charge(state: ChargeState) -> dict[str, str]:
    """The gateway's side of a payment."""
    side = {
        "status": state.outcome.value,
        **money("amount", state.amount),
        "reference": state.reference,
        "payment": state.payment_id or state.gateway_id,
    }
    return side | (money("fee", state.fee) if state.fee else {})


def of_refund(refund: Refund) -> dict[str, str]:
    """Our side of a refund."""
    return {
        "status": refund.status,
        **money("amount", Money(refund.amount_micros, refund.currency)),
        "reference": refund.reference,
        "refund": refund.gateway_id,
    }


def of_refund_state(state: RefundState) -> dict[str, str]:
    """The gateway's side of a refund."""
    return {
        "status": state.outcome.value,
        **money("amount", state.amount),
        "reference": state.reference,
        "refund": state.gateway_id,
        "payment": state.payment_id,
    }


def of_dispute(dispute: Dispute) -> dict[str, str]:
    """Our side of a dispute."""
    return {
        "status": dispute.status,
        "booked": dispute.booked,
        **money("amount", Money(dispute.amount_micros, dispute.currency)),
        "fee": fees(dispute.fees),
        "dispute": dispute.gateway_id,
    }


def of_dispute_state(state: DisputeState, fee: Mapping[str, int]) -> dict[str, str]:
    """The gateway's side of a dispute; ``fee`` is in micros by currency."""
    return {
        "status": state.status.value,
        **money("amount", state.amount),
        "fee": fees(fee),
        "dispute": state.gateway_id,
        "payment": state.payment_id,
    }


def of_line(line: LedgerLine) -> dict[str, str]:
    """A line of the gateway's book."""
    side = {
        "line": line.id,
        "kind": line.kind.value,
        "gross": line.gross.amount(),
        "fee": line.fee.amount(),
        "currency": line.gross.currency,
        "about": line.source_id,
    }
    return side | ({"words": line.description[:200]} if line.description else {})


def money(name: str, amount: Money) -> dict[str, str]:
    """An amount of one side, its currency beside it."""
    return {name: str(amount)}


def fees(by_currency: Mapping[str, int]) -> str:
    """What was kept, in words; nothing for nothing."""
    parts: Sequence[str] = [
        str(Money(micros, currency)) for currency, micros in sorted(by_currency.items()) if micros
    ]
    return ", ".join(parts) or "0"
