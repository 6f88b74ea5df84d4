"""Changing a limit."""

from datetime import datetime

from django.db.transaction import atomic

from legato_payments.lib.errors import Invalid
from payments import audit
from payments.models import Policy
from payments.queries import policies


class StartsInThePast(Invalid):
    code = "starts_in_the_past"
    title = "A limit changes from now on, or later."


@atomic
def change(
    *, name: Policy.Name, value: int, valid_from: datetime, actor: str, reason: str, now: datetime
) -> Policy:
    """Put a new value of a limit in force from ``valid_from`` on; what was before stays readable.

    Raises:
        StartsInThePast: ``valid_from`` lies before ``now``; decisions already made would change.
    """
    if valid_from < now:
        raise StartsInThePast
    before = policies.value(name, on=now)
    row = Policy.objects.create(
        name=name, value=value, valid_from=valid_from, created_by=actor, reason=reason
    )
    audit.record(
        actor=actor,
        action="payments.policy.changed",
        object_type="policy",
        object_id=name,
        now=now,
        before={"value": before},
        after={"value": value, "valid_from": valid_from.isoformat()},
        reason=reason,
    )
    return row
