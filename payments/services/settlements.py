"""Settlements: a gateway's balance goes to our bank, and the books follow what the gateway says.

Webhooks and a daily job bring a settlement to its state at the gateway. Its lines, the gateway's
own list of what it pays out, are summed beside it: a difference stays on the row for a person to
see. Whether the bank has the money is another question; see ``bank_receipts``.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db.transaction import atomic

from legato_payments.lib.ids import uuid7
from legato_payments.lib.money import Money
from payments import audit, ledger
from payments.gateways import base, registry
from payments.gateways.values import LedgerLine, LineKind, SettlementState, SettlementStatus, Window
from payments.ledger import templates
from payments.models import Settlement
from payments.services import bank_receipts

log = structlog.get_logger(__name__)

Status = Settlement.Status
Lines = Settlement.Lines

ACTOR = "system:settlements"

LOOK_BACK = timedelta(days=7)
"""How far back settlements are read every day: a bank refuses one within days."""

SUMS: Mapping[LineKind, str] = {
    LineKind.CHARGE: "charges_micros",
    LineKind.REFUND: "refunds_micros",
    LineKind.REFUND_FAILURE: "refunds_micros",
    LineKind.DISPUTE: "disputes_micros",
    LineKind.DISPUTE_REVERSAL: "disputes_micros",
    LineKind.FEE: "fees_micros",
}
"""Where the gross amount of a line counts; the rest is ``other_micros``."""


class SettlementMismatch(Exception):
    """The gateway says another amount than before. A bug or a forgery; nothing was written."""


class SettlementContradicted(Exception):
    """The gateway says paid of what it said came back. A person has to ask it."""


def collect(*, provider: str, now: datetime) -> int:
    """Bring every recent settlement of a provider to what it says, then look at the bank's lines.

    Reads the last seven days, and further back to the oldest that is still on its way and to the
    newest we know, so that days on which nobody asked are made up for. Call it outside a
    transaction.

    Returns:
        How many settlements the gateway listed.

    Raises:
        base.GatewayError: The gateway gave no readable answer; those before it are recorded.
    """
    seen = 0
    for state in registry.charge_gateway(provider).list_settlements(_window(provider, now)):
        seen += 1
        # Where deductions took all of it nothing reaches the bank, and there is nothing to book.
        if state.amount.micros:
            _bring(provider, state, now=now)
    bank_receipts.match_open(now=now)
    return seen


def hear_of(*, provider: str, gateway_id: str, now: datetime) -> Settlement | None:
    """Bring one settlement to what the gateway says of it. Call it outside a transaction.

    Returns:
        Its row; none for one of nothing.

    Raises:
        LookupError: The gateway does not list it, so far.
        base.GatewayError: It gave no readable answer.
    """
    known = Settlement.objects.filter(provider=provider, gateway_id=gateway_id).first()
    if known:
        window = Window(known.created_at, known.created_at + timedelta(seconds=1))
    else:
        window = Window(now - LOOK_BACK, now + timedelta(minutes=5))
    listed = registry.charge_gateway(provider).list_settlements(window)
    state = next((state for state in listed if state.gateway_id == gateway_id), None)
    if state is None:
        raise LookupError(f"the gateway does not list the settlement {gateway_id}")
    if not state.amount.micros:
        return None
    settlement = record(provider=provider, state=state, now=now)
    read_lines(settlement_id=settlement.pk, now=now)
    bank_receipts.match_open(now=now)
    return settlement


@atomic
def record(*, provider: str, state: SettlementState, now: datetime) -> Settlement:
    """Bring a settlement to what the gateway says of it. Safe to call again.

    Paid ones are posted; one that fails after it was paid is posted back. Until then its amount is
    what the gateway says last: Paystack tells the final one only with the transfer.

    Raises:
        SettlementMismatch: Its amount is not the one we posted, or in another currency.
        SettlementContradicted: It came back, and is paid again.
    """
    settlement = _lock(provider, state, now=now)
    known = Money(settlement.amount_micros, settlement.currency)
    is_posted = settlement.transaction_id is not None
    if known != state.amount and (is_posted or known.currency != state.amount.currency):
        raise SettlementMismatch(f"{state.gateway_id}: {state.amount}, recorded {settlement}")
    if known != state.amount:
        log.info("settlement_changed", settlement_id=str(settlement.pk), amount=str(state.amount))
        settlement.amount_micros = state.amount.micros
    settlement.arrives_on = state.arrives_on
    settlement.bank_reference = state.bank_reference or settlement.bank_reference
    before = settlement.status
    _move(settlement, state.status, now=now)
    settlement.save(update_fields=[*TOLD, "status", *POSTED])
    if settlement.status != before:
        _audit(settlement, before, now=now)
    return settlement


TOLD = ("amount_micros", "arrives_on", "bank_reference")
POSTED = ("transaction", "return_transaction")


def read_lines(*, settlement_id: UUID, now: datetime) -> Settlement:
    """Sum up the gateway's own lines of a paid settlement. Call it outside a transaction.

    Does nothing when they are read and come to its amount: they do not change any more.

    Raises:
        base.GatewayError: The gateway gave no readable answer.
    """
    settlement = Settlement.objects.get(pk=settlement_id)
    if settlement.status != Status.PAID or settlement.difference_micros == 0:
        return settlement
    try:
        found = list(
            registry.charge_gateway(settlement.provider).settlement_lines(settlement.gateway_id)
        )
    except (base.InvalidRequest, base.NotSupported) as error:
        # Of a transfer that somebody made by hand, the gateway has no list.
        log.warning("settlement_lines_unknown", settlement_id=str(settlement.pk), error=str(error))
        return _keep_lines(settlement_id, {"lines_status": Lines.UNKNOWN}, now=now)
    return _keep_lines(settlement_id, _sums(found, settlement.currency), now=now)


def _bring(provider: str, state: SettlementState, *, now: datetime) -> None:
    try:
        settlement = record(provider=provider, state=state, now=now)
    except (SettlementMismatch, SettlementContradicted):
        # One that nobody understands does not keep the others from the books.
        log.exception("settlement_not_recorded", provider=provider, gateway_id=state.gateway_id)
        return
    try:
        read_lines(settlement_id=settlement.pk, now=now)
    except base.GatewayError as error:
        # Asked for again tomorrow.
        log.warning(
            "settlement_lines_not_read", settlement_id=str(settlement.pk), error=repr(error)
        )


def _window(provider: str, now: datetime) -> Window:
    known = Settlement.objects.filter(provider=provider).order_by("created_at")
    oldest_open = known.filter(status=Status.PENDING).first()
    starts = [row.created_at for row in (oldest_open, known.last()) if row]
    return Window(min([now - LOOK_BACK, *starts]), now + timedelta(minutes=5))


def _lock(provider: str, state: SettlementState, *, now: datetime) -> Settlement:
    settlement, created = Settlement.objects.select_for_update(no_key=True).get_or_create(
        provider=provider,
        gateway_id=state.gateway_id,
        defaults={
            "id": uuid7(),
            "status": Status.PENDING,
            "currency": state.amount.currency,
            "amount_micros": state.amount.micros,
            "arrives_on": state.arrives_on,
            "created_at": state.created_at,
            "seen_at": now,
        },
    )
    if created:
        log.info("settlement_seen", settlement_id=str(settlement.pk), amount=str(state.amount))
    return settlement


def _move(settlement: Settlement, said: SettlementStatus, *, now: datetime) -> None:
    match settlement.status, said:
        case ((Status.PENDING | Status.FAILED), SettlementStatus.PAID):
            settlement.transaction_id = _post_paid(settlement, now=now)
            settlement.status = Status.PAID
        case Status.PENDING, SettlementStatus.FAILED:
            settlement.status = Status.FAILED
        case Status.PAID, SettlementStatus.FAILED:
            settlement.return_transaction_id = _post_returned(settlement, now=now)
            settlement.status = Status.RETURNED
        case Status.RETURNED, SettlementStatus.PAID:
            raise SettlementContradicted(f"{settlement} came back, and is paid again")
        case _:
            # What is over is not on its way again: an answer that was read before another.
            pass


def _post_paid(settlement: Settlement, *, now: datetime) -> UUID:
    return ledger.post(
        templates.settlement(
            provider=settlement.provider,
            currency=settlement.currency,
            amount=settlement.amount_micros,
        ),
        _header(settlement, "paid", now=now),
    )


def _post_returned(settlement: Settlement, *, now: datetime) -> UUID:
    return ledger.post(
        templates.settlement_returned(
            provider=settlement.provider,
            currency=settlement.currency,
            amount=settlement.amount_micros,
        ),
        _header(settlement, "returned", now=now, relates_to=settlement.transaction_id),
    )


def _header(
    settlement: Settlement, event: str, *, now: datetime, relates_to: UUID | None = None
) -> ledger.Header:
    return ledger.Header(
        key=f"settlement:{settlement.pk}:{event}",
        occurred_at=now,
        source_type="settlement",
        source_id=str(settlement.pk),
        actor=ACTOR,
        relates_to=relates_to,
        memo=settlement.gateway_id,
    )


def _audit(settlement: Settlement, before: str, *, now: datetime) -> None:
    audit.record(
        actor=ACTOR,
        action=f"payments.settlement.{settlement.status.lower()}",
        object_type="settlement",
        object_id=settlement.pk,
        now=now,
        before={"status": before},
        after={
            "status": settlement.status,
            "money": Money(settlement.amount_micros, settlement.currency).to_json(),
            "gateway_id": settlement.gateway_id,
        },
    )


def _sums(lines: Iterable[LedgerLine], currency: str) -> dict[str, int | str]:
    sums = dict.fromkeys((*SUMS.values(), "other_micros"), 0)
    count = 0
    for line in lines:
        # One in another currency is no part of this transfer: the difference will show it.
        if line.gross.currency == currency:
            count += 1
            sums[SUMS.get(line.kind, "other_micros")] += line.gross.micros
            sums["fees_micros"] -= line.fee.micros
    return {
        **sums,
        "lines_net_micros": sum(sums.values()),
        "line_count": count,
        "lines_status": Lines.READ,
    }


@atomic
def _keep_lines(
    settlement_id: UUID, found: Mapping[str, int | str], *, now: datetime
) -> Settlement:
    settlement = Settlement.objects.select_for_update(no_key=True).get(pk=settlement_id)
    before = settlement.difference_micros
    for name, value in found.items():
        setattr(settlement, name, value)
    settlement.save(update_fields=list(found))
    difference = settlement.difference_micros
    if difference and difference != before:
        log.error("settlement_differs", settlement_id=str(settlement.pk), micros=difference)
        audit.record(
            actor=ACTOR,
            action="payments.settlement.differs",
            object_type="settlement",
            object_id=settlement.pk,
            now=now,
            after={"difference": Money(difference, settlement.currency).to_json()},
        )
    return settlement
