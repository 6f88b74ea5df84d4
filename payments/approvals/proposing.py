"""Asking other people, and ceasing to ask."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Max
from django.db.transaction import atomic, set_rollback

from legato_payments.lib.errors import Conflict
from legato_payments.lib.ids import uuid7
from legato_payments.lib.money import Money
from payments.approvals.deciding import NotYours
from payments.approvals.requests import (
    Effect,
    Order,
    Status,
    Target,
    close,
    fingerprint,
    lock_open,
    order_of,
    record,
)
from payments.enums import BOOK_CURRENCY
from payments.models import ApprovalRequest, ApprovalRule

LIFETIME = timedelta(days=7)
"""How long a request may wait; the facts it was made on grow old (backoffice.md, rule 4.5)."""

UNRULED_NEEDED = 1
"""People for an action that no rule names: forgetting the rule must not open the door."""


class AlreadyProposed(Conflict):
    code = "already_proposed"
    title = "Somebody else proposes the same; it waits for a decision."


@atomic
def propose[Result](
    *,
    action: str,
    target: Target,
    payload: Mapping[str, Any],
    summary: str,
    maker: str,
    reason: str,
    effect: Effect[Result],
    now: datetime,
    amount: Money | None = None,
    at_least: int = 0,
) -> ApprovalRequest | Result:
    """Ask other people for something, or do it at once where the rules need nobody else.

    The effect is rehearsed and undone, so that whoever proposes nonsense is told so, and not
    whoever approves it.

    Args:
        action: The job that will carry it out.
        summary: What would happen, for people; shortened to 300 characters.
        amount: What it is about in US dollars, the currency of the rules.
        at_least: People it needs even where the rules ask for fewer.

    Returns:
        The request that waits, also when this maker proposed the same before; else the result.

    Raises:
        AlreadyProposed: Somebody else's request with this payload waits.
        DomainError: Whatever the effect refuses.
    """
    assert amount is None or amount.currency == BOOK_CURRENCY, amount
    order = Order(target, dict(payload), maker, reason, now)
    needed = max(needed_for(action=action, amount=amount, on=now), at_least)
    if not needed:
        return effect(order)
    request = _ask(order, action, amount, summary=summary, needed=needed)
    _rehearse(effect, order_of(request, now))
    return request


def needed_for(*, action: str, amount: Money | None, on: datetime) -> int:
    """How many people besides the maker: the newest rule of the highest limit that is reached.

    Args:
        amount: In US dollars; taking away counts as much as giving.
    """
    reached = ApprovalRule.objects.filter(
        action=action, from_micros__lte=abs(amount.micros) if amount else 0, valid_from__lte=on
    )
    highest = reached.aggregate(highest=Max("from_micros"))["highest"]
    rule = reached.filter(from_micros=highest).order_by("-valid_from", "-id").first()
    return rule.needed if rule else UNRULED_NEEDED


@atomic
def withdraw(*, request_id: UUID, maker: str, now: datetime) -> ApprovalRequest:
    """Take one's own proposal back.

    Args:
        maker: Who asks for it, as actors are written.

    Raises:
        RequestUnknown: There is none.
        NotYours: Somebody else proposed it.
        AlreadyClosed: It was decided, or is too old.
    """
    request = lock_open(request_id, now)
    if request.maker != maker:
        raise NotYours("Only who proposed something withdraws it.")
    close(request, Status.WITHDRAWN, actor=maker, now=now)
    return request


@atomic
def expire(*, now: datetime) -> int:
    """Close every request that waited too long; how many."""
    late = ApprovalRequest.objects.waiting().filter(expires_at__lte=now)
    requests = list(late.select_for_update(no_key=True, skip_locked=True).order_by("pk"))
    for request in requests:
        close(request, Status.EXPIRED, actor="system:expire-approvals", now=now)
    return len(requests)


def _ask(
    order: Order, action: str, amount: Money | None, *, summary: str, needed: int
) -> ApprovalRequest:
    same = ApprovalRequest.objects.waiting().filter(
        action=action,
        target_type=order.target.kind,
        target_id=order.target.id,
        payload_hash=fingerprint(order.payload),
    )
    for late in same.filter(expires_at__lte=order.now).select_for_update(no_key=True):
        close(late, Status.EXPIRED, actor="system:expire-approvals", now=order.now)
    draft = ApprovalRequest(
        id=uuid7(),
        action=action,
        target_type=order.target.kind,
        target_id=order.target.id,
        summary=summary if len(summary) <= 300 else f"{summary[:299]}…",
        payload=order.payload,
        payload_hash=fingerprint(order.payload),
        amount_micros=amount.micros if amount else None,
        currency=amount.currency if amount else "",
        maker=order.maker,
        reason=order.reason,
        needed=needed,
        created_at=order.now,
        expires_at=order.now + LIFETIME,
    )
    # Two who propose the same at once: the constraint lets one row in, and both read it.
    ApprovalRequest.objects.bulk_create([draft], ignore_conflicts=True)
    request = same.first()
    if request is None or request.maker != order.maker:
        raise AlreadyProposed(approval_id=str(request.pk) if request else None)
    if request.pk == draft.pk:
        record(request, "proposed", actor=order.maker, now=order.now, reason=order.reason)
    return request


def _rehearse(effect: Effect[object], order: Order) -> None:
    with atomic():
        effect(order)
        set_rollback(True)
