"""Disputes: what the gateway tells of them against what we booked."""

from collections.abc import Iterator, Mapping
from datetime import date

from legato_payments.lib.money import Money
from payments.gateways import registry
from payments.gateways.values import DisputeState, Window
from payments.models import Dispute, Purchase
from payments.queries.gateway_books import Source
from payments.services import disputes, gateway_figures, purchase_news
from payments.services import reconciliation_charges as charges
from payments.services.reconciliation_findings import (
    REFUSALS,
    Checked,
    Finding,
    Kind,
    Subject,
    Task,
    of_dispute,
    of_dispute_state,
)

Booked = Dispute.Booked


def of_day(task: Task, window: Window) -> Iterator[Checked]:
    """Every dispute opened there in the window, then every one of ours that it has not."""
    day = window.start.date()
    seen: set[Source] = set()
    for state in registry.charge_gateway(task.provider).list_disputes(window):
        checked = check(task, state, day=day)
        if checked.source:
            seen.add(checked.source)
        yield checked
    rows = Dispute.objects.filter(
        provider=task.provider, opened_at__gte=window.start, opened_at__lt=window.end
    )
    for dispute in rows.order_by("pk").iterator():
        if source_of(dispute) not in seen:
            yield check_ours(task, dispute, day=day)


def check(task: Task, state: DisputeState, *, day: date) -> Checked:
    """Compare one dispute with ours, and repair ours where that can be done."""
    dispute = _find(task.provider, state.gateway_id)
    if dispute and _agrees(dispute, state):
        return Checked(money=state.amount, source=source_of(dispute))
    state = registry.charge_gateway(task.provider).get_dispute(gateway_id=state.gateway_id) or state
    purchase = dispute.purchase if dispute else _purchase_of(task, state, day)
    why = "" if purchase else "We have no purchase with this payment."
    if purchase is not None and task.repairs:
        try:
            purchase_news.take(purchase, state, now=task.now)
        except REFUSALS as refusal:
            why = str(refusal)
        dispute = _find(task.provider, state.gateway_id)
        if dispute and _agrees(dispute, state):
            return Checked(money=state.amount, is_repaired=True, source=source_of(dispute))
    if dispute is None:
        finding = _missing(purchase, state, day, why)
        return Checked((finding,), state.amount)
    found = tuple(_finding(dispute, state, kind, day) for kind in _faults(dispute, state))
    return Checked(found, state.amount, source=source_of(dispute))


def check_ours(task: Task, dispute: Dispute, *, day: date) -> Checked:
    """The same, from our side."""
    state = registry.charge_gateway(task.provider).get_dispute(gateway_id=dispute.gateway_id)
    if state is not None:
        return check(task, state, day=day)
    finding = _finding(dispute, None, Kind.MISSING_THERE, day)
    return Checked((finding,), source=source_of(dispute))


def source_of(dispute: Dispute) -> Source:
    """How postings name a dispute."""
    return Source("dispute", str(dispute.pk))


def fetch(provider: str, gateway_id: str) -> DisputeState | None:
    """A dispute that we know of only by a line of the gateway's book."""
    return registry.charge_gateway(provider).get_dispute(gateway_id=gateway_id)


def booked(dispute: Dispute) -> int:
    """What our books took from the balance at the gateway for it, fees apart, micros."""
    return 0 if dispute.booked == Booked.NONE else dispute.amount_micros


def _find(provider: str, gateway_id: str) -> Dispute | None:
    ours = Dispute.objects.select_related("purchase")
    return ours.filter(provider=provider, gateway_id=gateway_id).first()


def _purchase_of(task: Task, state: DisputeState, day: date) -> Purchase | None:
    found = disputes.find_purchase(provider=task.provider, state=state)
    if found is not None:
        return found
    charge = registry.charge_gateway(task.provider).get_charge(
        reference=state.charge_reference, gateway_id=state.payment_id
    )
    if charge is None or not task.repairs:
        return None
    # The payment may be one that we lost, and can make again.
    charges.check(task, charge, day=day)
    return disputes.find_purchase(provider=task.provider, state=state)


def _agrees(dispute: Dispute, state: DisputeState) -> bool:
    return not _faults(dispute, state)


def _faults(dispute: Dispute, state: DisputeState) -> list[Kind]:
    found: list[Kind] = []
    if state.amount.currency != dispute.currency:
        found.append(Kind.CURRENCY)
    elif state.amount.micros != dispute.amount_micros:
        found.append(Kind.AMOUNT)
    if disputes.status_of(state) != dispute.status or not _is_held_alike(dispute, state):
        found.append(Kind.STATUS)
    is_converted = gateway_figures.are_booked(dispute, fees={}, settled=state.settled)
    if _kept(dispute.fees) != _kept(disputes.fees_of(state)) or not is_converted:
        found.append(Kind.FEE)
    return found


def _is_held_alike(dispute: Dispute, state: DisputeState) -> bool:
    """Whether the money is where the gateway has it; writers may still have to give theirs back."""
    if dispute.status in Dispute.OPEN:
        return not state.holds_funds or dispute.booked == Booked.HELD
    is_lost = dispute.status == Dispute.Status.LOST
    return (dispute.booked != Booked.NONE) == is_lost or disputes.needs_settling(dispute)


def _kept(fees: Mapping[str, int]) -> dict[str, int]:
    return {currency: micros for currency, micros in fees.items() if micros}


def _missing(purchase: Purchase | None, state: DisputeState, day: date, why: str) -> Finding:
    return Finding(
        subject=Subject.DISPUTE,
        kind=Kind.MISSING_HERE,
        key=state.gateway_id,
        day=day,
        ours=None,
        theirs=of_dispute_state(state, disputes.fees_of(state))
        | ({"not repaired": why} if why else {}),
        reference=purchase.reference if purchase else state.charge_reference,
        gateway_id=state.gateway_id,
        gap=_taken(state) if state.holds_funds else None,
        is_repairable=not why,
    )


def _taken(state: DisputeState) -> Money:
    taken = state.settled or state.amount
    kept = disputes.fees_of(state).get(taken.currency, 0)
    return -(taken + Money(kept, taken.currency))


def _finding(dispute: Dispute, state: DisputeState | None, kind: Kind, day: date) -> Finding:
    return Finding(
        subject=Subject.FEE if kind == Kind.FEE else Subject.DISPUTE,
        kind=kind,
        key=dispute.gateway_id,
        day=day,
        ours=of_dispute(dispute),
        theirs=of_dispute_state(state, disputes.fees_of(state)) if state else None,
        reference=dispute.purchase.reference,
        gateway_id=dispute.gateway_id,
        source=source_of(dispute),
        gap=_gap(dispute, state, kind),
        is_repairable=kind in (Kind.STATUS, Kind.FEE),
    )


def _gap(dispute: Dispute, state: DisputeState | None, kind: Kind) -> Money | None:
    """What the gateway holds for us beyond our books."""
    if kind == Kind.FEE and state and state.settled:
        return _converted_gap(dispute, state, state.settled)
    if state is None:
        amount = booked(dispute) + dispute.fees.get(dispute.currency, 0)
    elif kind == Kind.AMOUNT:
        amount = booked(dispute) - state.amount.micros
    elif kind == Kind.FEE:
        theirs = disputes.fees_of(state)
        amount = dispute.fees.get(dispute.currency, 0) - theirs.get(dispute.currency, 0)
    else:
        return None
    return Money(amount, dispute.currency) if amount else None


def _converted_gap(dispute: Dispute, state: DisputeState, settled: Money) -> Money | None:
    currency = settled.currency
    ours = dispute.settled.get(currency, 0) + dispute.fees.get(currency, 0)
    theirs = settled.micros + disputes.fees_of(state).get(currency, 0)
    return Money(ours - theirs, currency) if ours != theirs else None
