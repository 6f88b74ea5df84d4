"""Agreeing and refusing: who may, and what it changes."""

from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import User
from django.db.transaction import atomic

from legato_payments.lib.errors import Conflict, Forbidden
from legato_payments.lib.jobs import enqueue
from payments import audit
from payments.approvals.requests import (
    PayloadMismatch,
    Status,
    close,
    lock_open,
    record,
    right_to_decide,
)
from payments.models import ApprovalDecision, ApprovalRequest, StaffProfile

PEOPLE = frozenset({"user", "writer"})
"""Kinds of target that are people of the platform, whom staff may turn out to be."""


class OwnProposal(Forbidden):
    code = "own_proposal"
    title = "Who proposes something does not decide on it; another person does."


class SelfDealing(Forbidden):
    code = "self_dealing"
    title = "It concerns your own account; another person decides."


class NotYours(Forbidden):
    """The login has no right to decide on this action."""

    title = "Your role does not decide on this."


class AlreadyDecided(Conflict):
    code = "already_decided"
    title = "You have decided on this already; a person counts once."


@atomic
def approve(
    *, request_id: UUID, approver: User, payload_hash: str, now: datetime, reason: str = ""
) -> ApprovalRequest:
    """Agree to a request. The last one needed turns it APPROVED and sends its job.

    Args:
        payload_hash: Of what the person saw.

    Raises:
        RequestUnknown: There is none.
        AlreadyClosed: It was decided, withdrawn, or is too old.
        PayloadMismatch: The person saw something else.
        OwnProposal, SelfDealing, NotYours, AlreadyDecided: This person may not.
    """
    request = lock_open(request_id, now)
    _decide(
        request,
        approver,
        ApprovalDecision.Word.APPROVE,
        payload_hash=payload_hash,
        reason=reason,
        now=now,
    )
    agreed = request.decisions.filter(word=ApprovalDecision.Word.APPROVE).count()
    if agreed >= request.needed:
        request.status = Status.APPROVED
        request.next_attempt_at = now
        request.save(update_fields=["status", "next_attempt_at"])
        enqueue(request.action, approval_id=str(request.pk))
    record(request, "approved", actor=_actor(approver), now=now, reason=reason)
    return request


@atomic
def reject(
    *, request_id: UUID, approver: User, payload_hash: str, reason: str, now: datetime
) -> ApprovalRequest:
    """Refuse a request; one person is enough to end it.

    Raises:
        audit.ReasonMissing: The maker must learn why.
        RequestUnknown, AlreadyClosed, PayloadMismatch, OwnProposal, SelfDealing, NotYours,
            AlreadyDecided: As ``approve``.
    """
    if not reason.strip():
        raise audit.ReasonMissing("Say why: the person who proposed it will read it.")
    request = lock_open(request_id, now)
    _decide(
        request,
        approver,
        ApprovalDecision.Word.REJECT,
        payload_hash=payload_hash,
        reason=reason,
        now=now,
    )
    close(request, Status.REJECTED, actor=_actor(approver), now=now, reason=reason)
    return request


def concerns(request: ApprovalRequest, person: User) -> bool:
    """Whether a member of staff is the reader or writer that a request is about, or proposed it."""
    profile = StaffProfile.objects.filter(user=person).first()
    if profile is None:
        return False
    own = profile.platform_user_id
    is_target = request.target_type in PEOPLE and request.target_id == own
    # Of what is about a purchase, for example, the payload says whose it is.
    after = request.payload.get("after")
    is_reader = isinstance(after, dict) and after.get("reader") == own
    return is_target or is_reader or request.maker == f"user:{own}"


def is_own(*, actor: str, user_id: str) -> bool:
    """Whether an actor is a member of staff who is that reader or writer."""
    kind, _, number = actor.partition(":")
    if kind != "staff" or not number.isdecimal():
        return False
    return StaffProfile.objects.filter(user=int(number), platform_user_id=user_id).exists()


def _decide(
    request: ApprovalRequest,
    person: User,
    word: ApprovalDecision.Word,
    *,
    payload_hash: str,
    reason: str,
    now: datetime,
) -> None:
    actor = _actor(person)
    # Superusers are no exception to any of these, but that they have every right.
    if actor == request.maker:
        raise OwnProposal
    if concerns(request, person):
        raise SelfDealing
    is_staff = person.is_active and person.is_staff
    if not is_staff or not person.has_perm(right_to_decide(request.action)):
        raise NotYours
    if payload_hash != request.payload_hash:
        raise PayloadMismatch
    if request.decisions.filter(decided_by=actor).exists():
        raise AlreadyDecided
    ApprovalDecision.objects.create(
        request=request,
        maker=request.maker,
        decided_by=actor,
        word=word,
        payload_hash=payload_hash,
        reason=reason,
        decided_at=now,
    )


def _actor(person: User) -> str:
    return f"staff:{person.pk}"
