"""Jobs of ``revenue``: read the clock, call one service. Each is safe to run twice."""

from typing import Any
from uuid import UUID

from celery import shared_task

from legato_payments.lib import clock
from payments import approvals
from revenue.services import proposals


@shared_task(name="revenue.change_split_rule")
def change_split_rule(*, approval_id: str, **_future: Any) -> None:
    """Change a split rate as two people agreed."""
    approvals.run(
        approval_id=UUID(approval_id), effect=proposals.carry_out_split_rule, now=clock.now()
    )
