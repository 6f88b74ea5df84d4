"""Two people: one proposes, others decide, a job carries it out, once.

An action is the name of a job. A service proposes it together with its ``effect``, the function
that does it; the job of that name calls ``run`` with the same effect. So an app adds an action with
a task, an ``ApprovalRule``, and a line in the table of roles; nothing here knows the actions. One
that must never be done by one person alone joins ``FOUR_EYES`` of the rules' model as well.

A request is locked before anything that its effect locks.
"""

from payments.approvals.deciding import (
    PEOPLE,
    AlreadyDecided,
    NotYours,
    OwnProposal,
    SelfDealing,
    approve,
    concerns,
    is_own,
    reject,
)
from payments.approvals.proposing import (
    LIFETIME,
    AlreadyProposed,
    expire,
    needed_for,
    propose,
    withdraw,
)
from payments.approvals.requests import (
    AlreadyClosed,
    Effect,
    Order,
    PayloadMismatch,
    RequestUnknown,
    Target,
    decision_codename,
    fingerprint,
    right_to_decide,
)
from payments.approvals.running import LEASE, MAX_ATTEMPTS, run

__all__ = [
    "LEASE",
    "LIFETIME",
    "MAX_ATTEMPTS",
    "PEOPLE",
    "AlreadyClosed",
    "AlreadyDecided",
    "AlreadyProposed",
    "Effect",
    "NotYours",
    "Order",
    "OwnProposal",
    "PayloadMismatch",
    "RequestUnknown",
    "SelfDealing",
    "Target",
    "approve",
    "concerns",
    "decision_codename",
    "expire",
    "fingerprint",
    "is_own",
    "needed_for",
    "propose",
    "reject",
    "right_to_decide",
    "run",
    "withdraw",
]
