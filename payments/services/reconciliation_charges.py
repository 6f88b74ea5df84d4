"""Payments: what the gateway has against our purchases."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from itertools import batched

from django.db.models import Count, Q

from legato_payments.lib.money import Money
from payments.gateways import registry
from payments.gateways.values import ChargeState, Outcome, Window
from payments.models import Purchase
from payments.queries.gateway_books import AT_ONCE, Source
from payments.services import attempts, purchases, purchases_restored
from payments.services.reconciliation_findings import (
    REFUSALS,
    Checked,
    Finding,
    Kind,
    Side,
    Subject,
    Task,
    of_charge,
    of_purchase,
)

Status = Purchase.Status

PAID = (Status.SUCCEEDED, Status.QUARANTINED)
"""Ours, for which the gateway must have a payment."""

OVER = (Outcome.FAILED, Outcome.CANCELLED)

HISTORY = timedelta(days=1)
"""How long before a payment succeeded it may have been opened."""


def of_day(task: Task, window: Window) -> Iterator[Checked]:
    """Every payment opened in the window, then every purchase of ours that it has not."""
    day = window.start.date()
    seen: set[Source] = set()
    listed = registry.charge_gateway(task.provider).list_charges(window)
    for states in batched(listed, AT_ONCE, strict=False):
        for checked in _check_all(task, states, day):
            if checked.source:
                seen.add(checked.source)
            yield checked
    rows = Purchase.objects.filter(
        provider=task.provider,
        created_at__gte=window.start,
        created_at__lt=window.end,
        status__in=PAID,
    )
    for purchase in rows.order_by("pk").iterator():
        if source_of(purchase) not in seen:
            yield check_ours(task, purchase, day=day)


def check(task: Task, state: ChargeState, *, day: date) -> Checked:
    """Compare one payment with our purchase, and repair ours where that can be done.

    What seems to differ is read again first: a list may be older than our row.
    """
    return _check(task, state, find(task.provider, state), day=day)


def check_ours(task: Task, purchase: Purchase, *, day: date) -> Checked:
    """The same, from our side: the gateway is asked for the payment of one purchase."""
    state = purchases.read(purchase)
    if state is not None:
        return check(task, state, day=day)
    if purchase.status not in PAID:
        return Checked(source=source_of(purchase))
    total = Money(purchase.total_micros, purchase.currency)
    return _found(
        purchase, None, Kind.MISSING_THERE, day=day, gap=-(total - _our_fee(purchase, total))
    )


def find(provider: str, state: ChargeState) -> Purchase | None:
    """The purchase of a payment: by our reference, else by the gateway's ids."""
    ours = Purchase.objects.filter(provider=provider)
    found = ours.filter(reference=state.reference).first() if state.reference else None
    ids = [one for one in (state.payment_id, state.gateway_id) if one]
    return found or ours.filter(Q(payment_id__in=ids) | Q(gateway_id__in=ids)).first()


def source_of(purchase: Purchase) -> Source:
    """How postings name a purchase."""
    return Source("purchase", str(purchase.pk))


def fetch(provider: str, *, reference: str, gateway_id: str, at: datetime) -> ChargeState | None:
    """A payment that we know of only by a line of the gateway's book."""
    return registry.charge_gateway(provider).get_charge(
        reference=reference, gateway_id=gateway_id, since=at - HISTORY
    )


def _check_all(task: Task, states: Iterable[ChargeState], day: date) -> Iterator[Checked]:
    states = list(states)
    references = [state.reference for state in states if state.reference]
    known = {
        purchase.reference: purchase
        for purchase in Purchase.objects.filter(provider=task.provider, reference__in=references)
    }
    shared = _shared(task.provider, [purchase.payment_id for purchase in known.values()])
    for state in states:
        purchase = known.get(state.reference)
        if purchase is None:
            yield check(task, state, day=day)
        elif purchase.payment_id in shared:
            yield _shared_payment(purchase, state, day=day)
        else:
            yield _check(task, state, purchase, day=day)


def _shared(provider: str, payment_ids: list[str]) -> set[str]:
    """Payments that more than one purchase claims."""
    ids = [payment_id for payment_id in payment_ids if payment_id]
    claims = Purchase.objects.filter(provider=provider, payment_id__in=ids)
    counted = claims.values("payment_id").annotate(claims=Count("pk")).filter(claims__gt=1)
    return set(counted.values_list("payment_id", flat=True))


def _check(
    task: Task,
    state: ChargeState,
    purchase: Purchase | None,
    *,
    day: date,
) -> Checked:
    if _agrees(purchase, state):
        return _agreed(purchase, state)
    # Nothing is said of a difference that an old list, or an old row, made up.
    fresh = registry.charge_gateway(task.provider).get_charge(
        reference=state.reference, gateway_id=state.gateway_id
    )
    if fresh is not None and _names(fresh) == _names(state):
        state = fresh
    purchase = find(task.provider, state)
    if _agrees(purchase, state):
        return _agreed(purchase, state)
    if purchase is None:
        return _missing(task, state, day=day)
    if _is_another(purchase, state):
        return _another(purchase, state, day=day)
    return _differs(task, purchase, state, day=day)


def _names(state: ChargeState) -> tuple[str, str]:
    return state.reference, state.gateway_id


def _agrees(purchase: Purchase | None, state: ChargeState) -> bool:
    if state.outcome is not Outcome.SUCCEEDED:
        if purchase is None or _is_another(purchase, state):
            return True  # nobody paid, nobody waits for it
        return purchase.status not in PAID and not _is_to_be_closed(purchase, state)
    if purchase is None or purchase.status != Status.SUCCEEDED:
        return False
    is_fee_due = purchase.fee_micros is None and state.fee is not None
    return not is_fee_due and not _is_another(purchase, state) and not _faults(purchase, state)


def _agreed(purchase: Purchase | None, state: ChargeState) -> Checked:
    is_paid = state.outcome is Outcome.SUCCEEDED
    return Checked(
        money=state.amount if is_paid else None, source=source_of(purchase) if purchase else None
    )


def _is_to_be_closed(purchase: Purchase, state: ChargeState) -> bool:
    return purchase.status in Purchase.OPEN and state.outcome in OVER


def _is_another(purchase: Purchase, state: ChargeState) -> bool:
    """Whether the payment is a second one for a purchase that has its own."""
    return bool(purchase.gateway_id) and state.gateway_id != purchase.gateway_id


def _faults(purchase: Purchase, state: ChargeState) -> list[Kind]:
    """In what a settled purchase and its payment differ."""
    total = Money(purchase.total_micros, purchase.currency)
    found: list[Kind] = []
    if state.amount.currency != purchase.currency:
        found.append(Kind.CURRENCY)
    elif state.amount != total:
        found.append(Kind.AMOUNT)
    if state.fee is not None and purchase.fee_micros is not None:
        kept = Money(purchase.fee_micros, purchase.fee_currency or purchase.currency)
        if kept != state.fee:
            found.append(Kind.FEE)
    is_its_id = not state.payment_id or purchase.payment_id in ("", state.payment_id)
    if state.reference != purchase.reference or not is_its_id:
        found.append(Kind.STATUS)
    return found


def _missing(task: Task, state: ChargeState, *, day: date) -> Checked:
    """A payment without a purchase: made again from what the gateway keeps with it."""
    other = purchases_restored.named_in(task.provider, state)
    if other is not None:
        return _another(other, state, day=day)
    why = ""
    if task.repairs:
        try:
            made = purchases_restored.restore(provider=task.provider, state=state, now=task.now)
        except REFUSALS as refusal:
            why = str(refusal)
        else:
            return Checked(money=state.amount, is_repaired=True, source=source_of(made))
    theirs = of_charge(state) | ({"why": why} if why else {})
    finding = Finding(
        subject=Subject.CHARGE,
        kind=Kind.MISSING_HERE,
        key=state.reference or state.gateway_id,
        day=day,
        ours=None,
        theirs=theirs,
        reference=state.reference,
        gateway_id=state.payment_id or state.gateway_id,
        gap=_net(state),
        is_repairable=not why and purchases_restored.can_be(state),
    )
    return Checked((finding,), state.amount)


def _another(purchase: Purchase, state: ChargeState, *, day: date) -> Checked:
    finding = Finding(
        subject=Subject.CHARGE,
        kind=Kind.DUPLICATE,
        key=state.gateway_id,
        day=day,
        ours=of_purchase(purchase),
        theirs=of_charge(state),
        reference=purchase.reference,
        gateway_id=state.payment_id or state.gateway_id,
        gap=_net(state),
    )
    # Not of the purchase: that has a payment of its own, which may well agree.
    return Checked((finding,), state.amount)


def _shared_payment(purchase: Purchase, state: ChargeState, *, day: date) -> Checked:
    payment_id = purchase.payment_id
    claims = Purchase.objects.filter(provider=purchase.provider, payment_id=payment_id)
    references = list(claims.order_by("pk").values_list("reference", flat=True))
    finding = Finding(
        subject=Subject.CHARGE,
        kind=Kind.DUPLICATE,
        key=f"payment:{payment_id}",
        day=day,
        ours={"claimed by": ", ".join(references)},
        theirs={"payment": payment_id},
        reference=references[0],
        gateway_id=payment_id,
        source=source_of(purchase),
    )
    return Checked((finding,), state.amount, source=source_of(purchase))


def _differs(task: Task, purchase: Purchase, state: ChargeState, *, day: date) -> Checked:
    is_repaired, why = False, ""
    if _can_apply(purchase, state):
        if not task.repairs:
            is_due = state.outcome is not Outcome.SUCCEEDED or not _mismatch(purchase, state)
            return _found(purchase, state, _kind(purchase, state), day=day, is_repairable=is_due)
        try:
            purchase = _apply(purchase, state, now=task.now)
            is_repaired = _agrees(purchase, state)
        except REFUSALS as refusal:
            why = str(refusal)
    if is_repaired:
        paid = state.amount if state.outcome is Outcome.SUCCEEDED else None
        return Checked(money=paid, is_repaired=True, source=source_of(purchase))
    kinds = [_kind(purchase, state)]
    if purchase.status == Status.SUCCEEDED and state.outcome is Outcome.SUCCEEDED:
        kinds = _faults(purchase, state) or kinds
    parts = [_found(purchase, state, kind, day=day, why=why) for kind in kinds]
    findings = tuple(finding for part in parts for finding in part.findings)
    return Checked(findings, state.amount, source=source_of(purchase))


def _can_apply(purchase: Purchase, state: ChargeState) -> bool:
    """Whether ``purchases.apply`` has something to do."""
    if state.outcome is not Outcome.SUCCEEDED:
        return _is_to_be_closed(purchase, state)
    if purchase.status == Status.SUCCEEDED:
        return purchase.fee_micros is None and state.fee is not None
    return purchase.status != Status.QUARANTINED or not _mismatch(purchase, state)


def _apply(purchase: Purchase, state: ChargeState, *, now: datetime) -> Purchase:
    after = purchases.apply(purchase_id=purchase.pk, state=state, now=now)
    if purchase.status == Status.CREATED:
        attempts.resolve(
            object_type="purchase",
            object_id=purchase.pk,
            operation="charge",
            was_done=True,
            now=now,
        )
    return after


def _mismatch(purchase: Purchase, state: ChargeState) -> Kind | None:
    if state.amount.currency != purchase.currency:
        return Kind.CURRENCY
    is_due = state.amount.micros == purchase.total_micros
    return None if is_due else Kind.AMOUNT


def _kind(purchase: Purchase, state: ChargeState) -> Kind:
    """The class of a difference in which a purchase and its payment do not stand alike."""
    if state.outcome is not Outcome.SUCCEEDED:
        return Kind.STATUS
    if purchase.status == Status.SUCCEEDED:
        return Kind.FEE
    if mismatch := _mismatch(purchase, state):
        return mismatch
    # Paid there and never credited here, or paid and waiting for a person.
    return Kind.STATUS if purchase.status == Status.QUARANTINED else Kind.MISSING_HERE


def _found(
    purchase: Purchase,
    state: ChargeState | None,
    kind: Kind,
    *,
    day: date,
    gap: Money | None = None,
    why: str = "",
    is_repairable: bool = False,
) -> Checked:
    ours: Side = of_purchase(purchase) | ({"not repaired": why} if why else {})
    finding = Finding(
        subject=Subject.FEE if kind == Kind.FEE else Subject.CHARGE,
        kind=kind,
        key=purchase.reference,
        day=day,
        ours=ours,
        theirs=of_charge(state) if state else None,
        reference=purchase.reference,
        gateway_id=(state.payment_id or state.gateway_id) if state else purchase.payment_id,
        source=source_of(purchase),
        gap=gap if state is None else _gap(purchase, state, kind),
        is_repairable=is_repairable,
    )
    return Checked((finding,), state.amount if state else None, source=source_of(purchase))


def _gap(purchase: Purchase, state: ChargeState, kind: Kind) -> Money | None:
    """What the gateway holds for us beyond our books."""
    total = Money(purchase.total_micros, purchase.currency)
    is_here = purchase.status == Status.SUCCEEDED
    is_there = state.outcome is Outcome.SUCCEEDED
    if kind == Kind.FEE:
        booked = purchase.fee_currency or purchase.currency
        if state.fee is None or (purchase.fee_micros is not None and booked != state.fee.currency):
            return None
        return Money(purchase.fee_micros or 0, state.fee.currency) - state.fee
    if is_here and is_there:
        return state.amount - total if state.amount.currency == total.currency else None
    if is_here:
        return -(total - _our_fee(purchase, total))
    return _net(state) if is_there else None


def _our_fee(purchase: Purchase, like: Money) -> Money:
    is_alike = (purchase.fee_currency or like.currency) == like.currency
    return Money((purchase.fee_micros or 0) if is_alike else 0, like.currency)


def _net(state: ChargeState) -> Money:
    """What a payment brought to our balance."""
    reached = state.settled or state.amount
    is_alike = state.fee is not None and state.fee.currency == reached.currency
    return reached - state.fee if state.fee is not None and is_alike else reached
