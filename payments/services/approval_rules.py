"""How many people an action needs: one proposes another number, others agree, a job sets it."""

from datetime import datetime

from django.db.transaction import atomic

from legato_payments.lib.errors import Missing, Refused
from legato_payments.lib.money import Money
from payments import approvals, audit
from payments.approvals import Order, Target, wording
from payments.enums import BOOK_CURRENCY
from payments.models import ApprovalRequest, ApprovalRule
from payments.models.approvals import FOUR_EYES
from payments.queries import approvals as approval_queries
from payments.services.policies import StartsInThePast
from payments.services.proposals import BaseChanged

CHANGE_APPROVAL_RULE = "payments.change_approval_rule"


class ActionUnknown(Missing):
    """No rule names this action, so nothing asks for it."""

    title = "There is no such action."


class AlwaysFourEyes(Refused):
    code = "always_four_eyes"
    title = "This action always needs another person."


class ApproversMissing(Refused):
    code = "approvers_missing"
    title = "Fewer people may decide on this than it would need."


def propose(
    *,
    action: str,
    from_micros: int,
    needed: int,
    valid_from: datetime | None,
    actor: str,
    reason: str,
    now: datetime,
) -> ApprovalRequest:
    """Ask others to let an action need more people, or fewer, from an amount on.

    It takes as many people as the rule in force asks for, so that nobody talks fewer into less.

    Args:
        from_micros: USD micros from which on the number counts, up to the next amount with a rule.
        needed: People besides the one who proposes the action; 0: it is done at once.
        valid_from: From when on; none: from the moment it is approved.

    Raises:
        ActionUnknown, AlwaysFourEyes, ApproversMissing, StartsInThePast: As ``change``.
        approvals.AlreadyProposed: Somebody else proposes the same.
    """
    amount = Money(from_micros, BOOK_CURRENCY)
    present = approvals.needed_for(action=action, amount=amount, on=now)
    made = approvals.propose(
        action=CHANGE_APPROVAL_RULE,
        target=Target("approval_rule", action),
        payload={
            "before": {"needed": present, "from": amount.amount()},
            "after": {
                "needed": needed,
                "from": amount.amount(),
                "valid_from": valid_from.isoformat() if valid_from else None,
            },
        },
        summary=f"People for {action} from {amount}: {present} → {needed},"
        f" {wording.starting(valid_from)}",
        maker=actor,
        reason=reason,
        effect=carry_out,
        now=now,
        at_least=present,
    )
    assert isinstance(made, ApprovalRequest)  # changing the rules is itself one of FOUR_EYES
    return made


def carry_out(order: Order) -> ApprovalRule:
    """Put the rule of a proposal in force.

    Raises:
        BaseChanged: The action needs another number of people by now.
        ActionUnknown, AlwaysFourEyes, ApproversMissing, StartsInThePast: As ``change``.
    """
    action, after = order.target.id, order.payload["after"]
    amount = Money.parse(after["from"], BOOK_CURRENCY)
    present = approvals.needed_for(action=action, amount=amount, on=order.now)
    if present != order.payload["before"]["needed"]:
        raise BaseChanged
    return change(
        action=action,
        from_micros=amount.micros,
        needed=after["needed"],
        valid_from=wording.moment(after["valid_from"]) or order.now,
        actor=order.maker,
        reason=order.reason[:200],
        now=order.now,
    )


@atomic
def change(
    *,
    action: str,
    from_micros: int,
    needed: int,
    valid_from: datetime,
    actor: str,
    reason: str,
    now: datetime,
) -> ApprovalRule:
    """Let an action need ``needed`` people from ``valid_from`` on; the rule before stays readable.

    Raises:
        ActionUnknown: No rule names the action.
        AlwaysFourEyes: 0 for one of ``FOUR_EYES``.
        ApproversMissing: Too few may decide: whoever proposes does not count, and may be one.
        StartsInThePast: ``valid_from`` lies before ``now``; decisions already made would change.
    """
    if not ApprovalRule.objects.filter(action=action).exists():
        raise ActionUnknown
    if not needed and action in FOUR_EYES:
        raise AlwaysFourEyes
    people = approval_queries.people_who_decide(action).count()
    if needed and people <= needed:
        raise ApproversMissing(f"{people} people may decide on this; {needed + 1} have to be able.")
    if valid_from < now:
        raise StartsInThePast
    before = approvals.needed_for(action=action, amount=Money(from_micros, BOOK_CURRENCY), on=now)
    row = ApprovalRule.objects.create(
        action=action,
        from_micros=from_micros,
        needed=needed,
        valid_from=valid_from,
        created_by=actor,
        reason=reason,
    )
    audit.record(
        actor=actor,
        action="payments.approval_rule.changed",
        object_type="approval_rule",
        object_id=action,
        now=now,
        before={"needed": before, "from_micros": from_micros},
        after={
            "needed": needed,
            "from_micros": from_micros,
            "valid_from": valid_from.isoformat(),
        },
        reason=reason,
    )
    return row
