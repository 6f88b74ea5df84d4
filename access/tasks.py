"""Jobs of ``access``: read the clock, call one service. Each is safe to run twice."""

from typing import Any
from uuid import UUID

from celery import shared_task

from access.services import dispute_losses
from legato_payments.lib import clock


@shared_task(name="access.settle_dispute")
def settle_dispute(*, dispute_id: str, **_future: Any) -> None:
    """Book a lost dispute, or take the loss back of one that is won after all."""
    dispute_losses.settle(dispute_id=UUID(dispute_id), now=clock.now())
