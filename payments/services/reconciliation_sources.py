"""Which object of ours a line of the gateway's book is about, and what only a line tells of."""

from collections.abc import Iterable, Sequence
from datetime import date
from itertools import batched

from django.db.models import Q

from payments.gateways.values import LedgerLine, LineKind
from payments.models import Dispute, Purchase, Refund
from payments.queries import gateway_books
from payments.queries.gateway_books import Source
from payments.services import reconciliation_charges as charges
from payments.services import reconciliation_disputes as disputes
from payments.services import reconciliation_refunds as refunds
from payments.services.reconciliation_findings import (
    Checked,
    Finding,
    Kind,
    Subject,
    Tally,
    Task,
    of_line,
)


def sources_of(provider: str, lines: Iterable[LedgerLine]) -> dict[str, Source]:
    """Our object behind each line that has one, by the line's id."""
    found: dict[str, Source] = {}
    for some in batched(lines, gateway_books.AT_ONCE, strict=False):
        found |= _sources_of_some(provider, some)
    return found


def _sources_of_some(provider: str, lines: Sequence[LedgerLine]) -> dict[str, Source]:
    ids = [line.source_id for line in lines if line.source_id]
    references = [line.reference for line in lines if line.reference]
    by_id: dict[str, Source] = {}
    unopened: dict[str, Source] = {}
    purchases = Purchase.objects.filter(provider=provider).filter(
        Q(payment_id__in=ids) | Q(gateway_id__in=ids) | Q(reference__in=references)
    )
    for purchase in purchases.order_by("-pk"):
        source = charges.source_of(purchase)
        named = [one for one in (purchase.gateway_id, purchase.payment_id) if one]
        by_id |= dict.fromkeys(named, source)
        if not named:
            unopened[purchase.reference] = source
    for refund in Refund.objects.filter(purchase__provider=provider, gateway_id__in=ids):
        by_id[refund.gateway_id] = refunds.source_of(refund)
    for dispute in Dispute.objects.filter(provider=provider, gateway_id__in=ids):
        by_id[dispute.gateway_id] = disputes.source_of(dispute)
    found = {line.id: by_id[line.source_id] for line in lines if line.source_id in by_id}
    # By our reference only for a purchase that knows no id: a second payment is not its own.
    return found | {
        line.id: unopened[line.reference]
        for line in lines
        if line.id not in found and line.kind is LineKind.CHARGE and line.reference in unopened
    }


def look_up(task: Task, lines: Iterable[LedgerLine], tally: Tally) -> None:
    """Compare the objects that only a line tells of: they were made on another day."""
    for line in lines:
        if tally.of_gateway_id(line.source_id):
            continue
        checked = _check_object(task, line, tally.day)
        if checked is not None:
            tally.add(checked, is_of_the_day=False)
        if not (checked and checked.findings):
            _report_unknown(task, line, tally)


def _check_object(task: Task, line: LedgerLine, day: date) -> Checked | None:
    if line.kind is LineKind.CHARGE:
        charge = charges.fetch(
            task.provider,
            reference=line.reference,
            gateway_id=line.source_id,
            at=line.occurred_at,
        )
        return charges.check(task, charge, day=day) if charge else None
    if line.kind in (LineKind.REFUND, LineKind.REFUND_FAILURE):
        refund = refunds.fetch(task.provider, line.source_id)
        return refunds.check(task, refund, day=day) if refund else None
    if line.kind in (LineKind.DISPUTE, LineKind.DISPUTE_REVERSAL):
        dispute = disputes.fetch(task.provider, line.source_id)
        return disputes.check(task, dispute, day=day) if dispute else None
    return None


def _report_unknown(task: Task, line: LedgerLine, tally: Tally) -> None:
    # Found by now, or of an object that failed before we knew of it: both of its lines cancel out.
    is_known = sources_of(task.provider, [line])
    is_void = line.kind in (LineKind.REFUND, LineKind.REFUND_FAILURE) and _is_void(task, line)
    if not is_known and not is_void:
        finding = Finding(
            subject=Subject.LEDGER_LINE,
            kind=Kind.MISSING_HERE,
            key=line.id,
            day=tally.day,
            ours=None,
            theirs=of_line(line),
            reference=line.reference,
            gateway_id=line.id,
            gap=line.net,
        )
        tally.report(finding)


def _is_void(task: Task, line: LedgerLine) -> bool:
    state = refunds.fetch(task.provider, line.source_id)
    return state is not None and state.outcome in refunds.GONE


def check_source(task: Task, source: Source, day: date) -> Checked:
    """Compare an object of ours that was made on another day."""
    match source.type:
        case "purchase":
            return charges.check_ours(task, Purchase.objects.get(pk=source.id), day=day)
        case "refund":
            refund = Refund.objects.select_related("purchase").get(pk=source.id)
            return refunds.check_ours(task, refund, day=day)
        case _:
            dispute = Dispute.objects.select_related("purchase").get(pk=source.id)
            return disputes.check_ours(task, dispute, day=day)
