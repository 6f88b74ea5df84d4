"""Differences from a gateway: written down once, looked into by people, closed once.

Runs write what they find with ``record`` and close what is gone with ``resolve``. People take one,
note what they learn, and close it: matched with its counterpart, or explained without money moving.
A correction of the books needs another person: see ``gateway_corrections``.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.db.transaction import atomic

from legato_payments.lib.errors import Conflict, Missing, Refused
from payments import audit
from payments.models import (
    Difference,
    DifferenceNote,
    Dispute,
    Purchase,
    Refund,
    Transaction,
)
from payments.models.reconciliation import DifferenceQuerySet
from payments.services.reconciliation_findings import Finding

Status = Difference.Status
Closing = Difference.Closing

SETTLED = (Closing.EXPLAINED, Closing.ADJUSTED, Closing.MATCHED)
"""How a person closed one: what shows unchanged stays closed."""

ACTOR = "system:reconcile"

OBJECTS: Mapping[str, type[Model]] = {
    "purchase": Purchase,
    "refund": Refund,
    "dispute": Dispute,
    "transaction": Transaction,
}
"""What a difference can be matched with, besides another difference."""


class DifferenceUnknown(Missing):
    """No difference, or nothing to match it with, has this id."""

    title = "There is no such difference."


class DifferenceClosed(Conflict):
    code = "difference_closed"
    title = "The difference is closed already."


class MatchRefused(Refused):
    code = "match_refused"
    title = "These two do not make up for each other."


def record(finding: Finding, *, provider: str, now: datetime) -> bool:
    """Write down what a run found: one open row per thing, however often it is found.

    Returns:
        Whether it is open now; not, when a person closed just this before.
    """
    with atomic():
        row = _same(provider, finding).open().select_for_update(no_key=True).first()
        if row is not None:
            _see_again(row, finding, now=now)
            return True
        closed = closed_before(provider, finding)
        if closed is not None:
            Difference.objects.filter(pk=closed.pk).update(last_seen_at=now)
            return False
        draft = _draft(finding, provider=provider, now=now)
        # Two who find the same at once: the constraint lets one row in.
        Difference.objects.bulk_create([draft], ignore_conflicts=True)
        return True


def closed_before(provider: str, finding: Finding) -> Difference | None:
    """The row in which a person closed just this; nothing when it is new, or has changed."""
    closed = _same(provider, finding).filter(status=Status.CLOSED, closing__in=SETTLED)
    return closed.filter(fingerprint=finding.fingerprint).order_by("-id").first()


def resolve(found: QuerySet[Difference], *, actor: str, now: datetime) -> int:
    """Close differences that are there no more; how many."""
    count = 0
    for pk in list(found.filter(status=Status.OPEN).order_by("pk").values_list("pk", flat=True)):
        with atomic():
            row = Difference.objects.open().select_for_update(no_key=True).filter(pk=pk).first()
            if row is not None:
                _close(row, Closing.RESOLVED, actor=actor, now=now)
                count += 1
    return count


@atomic
def take(*, difference_id: UUID, owner: str, actor: str, now: datetime) -> Difference:
    """Somebody looks into it from now on.

    Args:
        owner: Who, as actors are written; nobody when empty.

    Raises:
        DifferenceUnknown, DifferenceClosed: As they say.
    """
    row = lock_open(difference_id)
    before, row.owner = row.owner, owner
    row.save(update_fields=["owner"])
    _tell(row, "taken", actor=actor, now=now, before={"owner": before}, after={"owner": owner})
    return row


@atomic
def note(*, difference_id: UUID, text: str, actor: str, now: datetime) -> DifferenceNote:
    """Write down what somebody learnt, of a closed difference too.

    Raises:
        audit.ReasonMissing: No words.
        DifferenceUnknown: There is none.
    """
    if not text.strip():
        raise audit.ReasonMissing("Say what you know.")
    row = Difference.objects.filter(pk=difference_id).first()
    if row is None:
        raise DifferenceUnknown
    made = _note(row, text, actor=actor, now=now)
    _tell(row, "noted", actor=actor, now=now, reason=made.text[:300])
    return made


@atomic
def explain(
    *, difference_id: UUID, code: Difference.Reason, words: str, actor: str, now: datetime
) -> Difference:
    """Close a difference that is none: nothing is posted.

    Raises:
        audit.ReasonMissing: No words.
        DifferenceUnknown, DifferenceClosed: As they say.
    """
    if not words.strip():
        raise audit.ReasonMissing
    row = lock_open(difference_id)
    row.reason_code = code
    _note(row, words, actor=actor, now=now)
    _close(row, Closing.EXPLAINED, actor=actor, now=now, reason=words)
    return row


@atomic
def match(
    *, difference_id: UUID, other_id: UUID, words: str, actor: str, now: datetime
) -> Difference:
    """Close two differences that make up for each other: what one lacks, the other has too much.

    Raises:
        audit.ReasonMissing: No words.
        DifferenceUnknown, DifferenceClosed: As they say, of either.
        MatchRefused: Of two gateways or currencies, or their amounts do not come to nothing.
    """
    if not words.strip():
        raise audit.ReasonMissing
    # Always in the order of their keys: two who match the same pair queue.
    first, second = (lock_open(pk) for pk in sorted((difference_id, other_id)))
    _check_pair(first, second)
    for row, other in ((first, second), (second, first)):
        row.matched_with = other
        _note(row, words, actor=actor, now=now)
        _close(row, Closing.MATCHED, actor=actor, now=now, reason=words)
    return first if first.pk == difference_id else second


@atomic
def match_object(
    *, difference_id: UUID, kind: str, object_id: str, words: str, actor: str, now: datetime
) -> Difference:
    """Close a difference because something of ours is its other side.

    Args:
        kind: ``purchase``, ``refund``, ``dispute`` or ``transaction``.

    Raises:
        audit.ReasonMissing: No words.
        DifferenceUnknown, DifferenceClosed: As they say; also where there is no such object.
    """
    if not words.strip():
        raise audit.ReasonMissing
    row = lock_open(difference_id)
    if not _exists(kind, object_id):
        raise DifferenceUnknown(f"There is no {kind} {object_id}.")
    row.matched_object = f"{kind}:{object_id}"
    _note(row, words, actor=actor, now=now)
    _close(row, Closing.MATCHED, actor=actor, now=now, reason=words)
    return row


def lock_open(difference_id: UUID) -> Difference:
    """Hold an open difference until the transaction ends.

    Raises:
        DifferenceUnknown, DifferenceClosed: As they say.
    """
    rows = Difference.objects.select_for_update(no_key=True, of=("self",))
    row = rows.filter(pk=difference_id).first()
    if row is None:
        raise DifferenceUnknown
    if row.status != Status.OPEN:
        raise DifferenceClosed(f"It is closed already: {row.get_closing_display().lower()}.")
    return row


def close_adjusted(
    row: Difference, *, approval_id: UUID, transaction_id: UUID, actor: str, now: datetime
) -> None:
    """Close a locked difference that a correction made up for."""
    row.approval_id = approval_id
    row.transaction_id = transaction_id
    _close(row, Closing.ADJUSTED, actor=actor, now=now)


def _same(provider: str, finding: Finding) -> DifferenceQuerySet:
    return Difference.objects.filter(
        provider=provider, subject=finding.subject, kind=finding.kind, key=finding.key
    )


def _draft(finding: Finding, *, provider: str, now: datetime) -> Difference:
    source, gap = finding.source, finding.gap
    return Difference(
        provider=provider,
        day=finding.day,
        subject=finding.subject,
        kind=finding.kind,
        key=finding.key,
        reference=finding.reference,
        object_type=source.type if source else "",
        object_id=source.id if source else "",
        currency=gap.currency if gap else "",
        first_seen_at=now,
        last_seen_at=now,
        **_sides(finding),
    )


def _sides(finding: Finding) -> dict[str, Any]:
    """What may change while a difference is open."""
    return {
        "fingerprint": finding.fingerprint,
        "gateway_id": finding.gateway_id,
        "ours": None if finding.ours is None else dict(finding.ours),
        "theirs": None if finding.theirs is None else dict(finding.theirs),
        "gap_micros": finding.gap.micros if finding.gap else None,
    }


def _see_again(row: Difference, finding: Finding, *, now: datetime) -> None:
    if row.fingerprint != finding.fingerprint:
        _note(row, "One side changed since it was first found.", actor=ACTOR, now=now)
        for name, value in _sides(finding).items():
            setattr(row, name, value)
        row.currency = finding.gap.currency if finding.gap else ""
    row.last_seen_at = max(row.last_seen_at, now)
    row.save()


def _check_pair(one: Difference, other: Difference) -> None:
    if one.pk == other.pk:
        raise MatchRefused("It is the same difference.")
    if (one.provider, one.currency) != (other.provider, other.currency):
        raise MatchRefused("They are of two gateways, or two currencies.")
    if one.gap_micros is None or other.gap_micros is None:
        raise MatchRefused("One of them has no amount.")
    if one.gap_micros + other.gap_micros:
        raise MatchRefused("Their amounts do not come to nothing.")


def _exists(kind: str, object_id: str) -> bool:
    model = OBJECTS.get(kind)
    try:
        return model is not None and model._default_manager.filter(pk=object_id).exists()  # noqa: SLF001
    except ValidationError:
        return False  # no id at all


def _note(row: Difference, text: str, *, actor: str, now: datetime) -> DifferenceNote:
    return DifferenceNote.objects.create(
        difference=row, text=text.strip()[:500], written_by=actor, written_at=now
    )


def _close(
    row: Difference, closing: Difference.Closing, *, actor: str, now: datetime, reason: str = ""
) -> None:
    row.status = Status.CLOSED
    row.closing = closing
    row.closed_at = now
    row.closed_by = actor
    row.save()
    after = {
        "status": row.status,
        "closing": closing,
        "reason_code": row.reason_code,
        "matched_with": str(row.matched_with_id or row.matched_object),
        "transaction_id": str(row.transaction_id or ""),
    }
    shown = {name: value for name, value in after.items() if value}
    _tell(row, "closed", actor=actor, now=now, after=shown, reason=reason[:300])


def _tell(
    row: Difference,
    event: str,
    *,
    actor: str,
    now: datetime,
    before: dict[str, str] | None = None,
    after: dict[str, str] | None = None,
    reason: str = "",
) -> None:
    audit.record(
        actor=actor,
        action=f"payments.difference.{event}",
        object_type="difference",
        object_id=row.pk,
        now=now,
        before=before,
        after=after,
        reason=reason,
    )
