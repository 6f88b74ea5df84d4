"""Refunds: what the gateway gave back against what we did."""

from collections.abc import Iterator
from datetime import date

from legato_payments.lib.money import Money
from payments.gateways import registry
from payments.gateways.values import Outcome, RefundState, Window
from payments.models import Purchase, Refund
from payments.queries.gateway_books import Source
from payments.services import purchase_news, refund_outcomes, refunds_adopted
from payments.services import reconciliation_charges as charges
from payments.services.reconciliation_findings import (
    REFUSALS,
    Checked,
    Finding,
    Kind,
    Subject,
    Task,
    of_refund,
    of_refund_state,
)

Status = Refund.Status

ALIKE = {
    Outcome.SUCCEEDED: (Status.SUCCEEDED,),
    Outcome.PENDING: (Status.PENDING, Status.NEEDS_ATTENTION),
    Outcome.ACTION_REQUIRED: (Status.NEEDS_ATTENTION,),
    Outcome.FAILED: (Status.FAILED,),
    Outcome.CANCELLED: (Status.FAILED,),
    Outcome.UNKNOWN: (Status.REQUESTED, Status.PENDING, Status.NEEDS_ATTENTION),
}
"""Ours that say the same as the gateway's."""

MUST_BE_THERE = (Status.PENDING, Status.SUCCEEDED, Status.CONTRADICTED)
"""Ours that the gateway has taken on."""

GONE = (Outcome.FAILED, Outcome.CANCELLED)


def of_day(task: Task, window: Window) -> Iterator[Checked]:
    """Every refund made there in the window, then every one of ours that it has not."""
    day = window.start.date()
    seen: set[Source] = set()
    for state in registry.charge_gateway(task.provider).list_refunds(window):
        checked = check(task, state, day=day)
        if checked.source:
            seen.add(checked.source)
        yield checked
    rows = Refund.objects.filter(
        purchase__provider=task.provider,
        requested_at__gte=window.start,
        requested_at__lt=window.end,
        status__in=MUST_BE_THERE,
    )
    for refund in rows.select_related("purchase").order_by("pk").iterator():
        if source_of(refund) not in seen:
            yield check_ours(task, refund, day=day)


def check(task: Task, state: RefundState, *, day: date) -> Checked:
    """Compare one refund with ours, and repair ours where that can be done."""
    refund = _find(task.provider, state)
    if refund is None:
        return _unknown(task, state, day=day)
    if _agrees(refund, state):
        return Checked(money=state.amount, source=source_of(refund))
    state = _read_again(refund, state) or state
    return _differs(task, refund, state, day=day)


def check_ours(task: Task, refund: Refund, *, day: date) -> Checked:
    """The same, from our side."""
    purchase = refund.purchase
    state = registry.charge_gateway(task.provider).get_refund(
        reference=refund.reference,
        payment_id=purchase.payment_id,
        charge_reference=purchase.reference,
        gateway_id=refund.gateway_id,
        since=refund.requested_at,
    )
    if state is not None:
        return check(task, state, day=day)
    if refund.status not in MUST_BE_THERE:
        return Checked(source=source_of(refund))
    amount = Money(refund.amount_micros, refund.currency)
    is_booked = refund.status == Status.SUCCEEDED
    finding = _finding(refund, None, Kind.MISSING_THERE, day, gap=amount if is_booked else None)
    return Checked((finding,), source=source_of(refund))


def source_of(refund: Refund) -> Source:
    """How postings name a refund."""
    return Source("refund", str(refund.pk))


def booked(refund: Refund) -> int:
    """What our books took from the balance at the gateway for it, micros."""
    return refund.amount_micros if refund.status == Status.SUCCEEDED else 0


def fetch(provider: str, gateway_id: str) -> RefundState | None:
    """A refund that we know of only by a line of the gateway's book."""
    return registry.charge_gateway(provider).get_refund(
        reference="", payment_id="", charge_reference="", gateway_id=gateway_id
    )


def _find(provider: str, state: RefundState) -> Refund | None:
    ours = Refund.objects.select_related("purchase").filter(purchase__provider=provider)
    found = ours.filter(gateway_id=state.gateway_id).first()
    if found is None and state.reference:
        found = ours.filter(reference=state.reference).first()
    return found


def _purchase_of(task: Task, state: RefundState, day: date) -> Purchase | None:
    ours = Purchase.objects.filter(provider=task.provider)
    for by, value in (("reference", state.charge_reference), ("payment_id", state.payment_id)):
        if value and (found := ours.filter(**{by: value}).first()):
            return found
    charge = registry.charge_gateway(task.provider).get_charge(
        reference=state.charge_reference, gateway_id=state.payment_id
    )
    if charge is None or not task.repairs:
        return None
    # The payment may be one that we lost, and can make again.
    charges.check(task, charge, day=day)
    return charges.find(task.provider, charge)


def _agrees(refund: Refund, state: RefundState) -> bool:
    return (
        _same_amount(refund, state)
        and _same_id(refund, state)
        and _same_status(refund, state)
        and not refund_outcomes.has_figures_left(refund, state)
    )


def _same_amount(refund: Refund, state: RefundState) -> bool:
    return state.amount == Money(refund.amount_micros, refund.currency)


def _same_id(refund: Refund, state: RefundState) -> bool:
    return refund.gateway_id in ("", state.gateway_id)


def _same_status(refund: Refund, state: RefundState) -> bool:
    return refund.status in ALIKE[state.outcome]


def _read_again(refund: Refund, state: RefundState) -> RefundState | None:
    return registry.charge_gateway(refund.purchase.provider).get_refund(
        reference=state.reference,
        payment_id=state.payment_id,
        charge_reference=state.charge_reference,
        gateway_id=state.gateway_id,
    )


def _unknown(task: Task, state: RefundState, *, day: date) -> Checked:
    if state.outcome in GONE:
        return Checked()  # it failed before we knew of it: nothing moved
    purchase = _purchase_of(task, state, day)
    why = "" if purchase else "We have no purchase with this payment."
    if purchase is not None and task.repairs:
        try:
            if purchase.status != Purchase.Status.SUCCEEDED:
                purchase = purchase_news.read_again(purchase, now=task.now)
            made = refunds_adopted.adopt(purchase=purchase, state=state, now=task.now)
        except REFUSALS as refusal:
            why = str(refusal)
        else:
            return Checked(
                money=state.amount, is_repaired=True, source=source_of(made) if made else None
            )
    finding = Finding(
        subject=Subject.REFUND,
        kind=Kind.MISSING_HERE,
        key=state.reference or state.gateway_id,
        day=day,
        ours=None,
        theirs=of_refund_state(state) | ({"not repaired": why} if why else {}),
        reference=state.charge_reference,
        gateway_id=state.gateway_id,
        gap=-_taken(state),
        is_repairable=not why,
    )
    return Checked((finding,), state.amount)


def _differs(task: Task, refund: Refund, state: RefundState, *, day: date) -> Checked:
    if not _same_id(refund, state):
        if state.outcome in GONE:
            return Checked()
        return _one(refund, state, Kind.DUPLICATE, day, gap=-_taken(state))
    if not _same_amount(refund, state):
        same_currency = state.amount.currency == refund.currency
        kind = Kind.AMOUNT if same_currency else Kind.CURRENCY
        gap = Money(booked(refund), refund.currency) - state.amount if same_currency else None
        return _one(refund, state, kind, day, gap=gap)
    is_alike = _same_status(refund, state)
    lacks_figures = refund_outcomes.has_figures_left(refund, state)
    can_apply = lacks_figures or (not is_alike and refund.status != Status.CONTRADICTED)
    if can_apply and task.repairs:
        try:
            refund = refund_outcomes.apply(refund_id=refund.pk, state=state, now=task.now)
        except REFUSALS:
            refund.refresh_from_db()
    if _agrees(refund, state):
        is_repaired = can_apply and task.repairs
        return Checked(money=state.amount, is_repaired=is_repaired, source=source_of(refund))
    kind = Kind.FEE if is_alike else Kind.STATUS
    return _one(refund, state, kind, day, gap=_gap(refund, state), is_repairable=can_apply)


def _taken(state: RefundState) -> Money:
    """What left our balance at the gateway for it, in the currency that the balance has."""
    taken = state.settled or state.amount
    is_alike = state.fee is not None and state.fee.currency == taken.currency
    return taken + state.fee if state.fee is not None and is_alike else taken


def _gap(refund: Refund, state: RefundState) -> Money:
    """What the gateway holds for us beyond our books."""
    theirs = _taken(state)
    currency = theirs.currency
    ours = refund.settled.get(currency, 0) if state.settled else booked(refund)
    # What came back of it is out of a conversion already.
    is_out = state.settled is not None or state.outcome not in GONE
    return Money(ours + refund.fees.get(currency, 0) - theirs.micros * is_out, currency)


def _one(
    refund: Refund,
    state: RefundState,
    kind: Kind,
    day: date,
    *,
    gap: Money | None,
    is_repairable: bool = False,
) -> Checked:
    finding = _finding(refund, state, kind, day, gap=gap, is_repairable=is_repairable)
    return Checked((finding,), state.amount, source=finding.source)


def _finding(
    refund: Refund,
    state: RefundState | None,
    kind: Kind,
    day: date,
    *,
    gap: Money | None,
    is_repairable: bool = False,
) -> Finding:
    is_another = kind == Kind.DUPLICATE and state is not None
    return Finding(
        subject=Subject.REFUND,
        kind=kind,
        key=state.gateway_id if is_another and state else refund.reference,
        day=day,
        ours=of_refund(refund),
        theirs=of_refund_state(state) if state else None,
        reference=refund.reference,
        gateway_id=state.gateway_id if state else refund.gateway_id,
        source=None if is_another else source_of(refund),
        gap=gap if gap and gap.micros else None,
        is_repairable=is_repairable,
    )
