"""The other person: agrees to what waits, after which its job runs."""

from datetime import datetime
from typing import Any
from uuid import UUID

from celery import current_app
from django.contrib.auth.models import User

from legato_payments.lib import clock
from payments import approvals
from payments.models import ApprovalRequest


def person(name: str = "second", **facts: Any) -> User:
    """A member of staff with every right, so that only the rules of approvals stand in the way."""
    found = User.objects.filter(username=name).first()
    return found or User.objects.create_superuser(name, password="unused", **facts)


def agree(
    request_id: UUID | str | None = None,
    *,
    by: User | None = None,
    now: datetime | None = None,
) -> ApprovalRequest:
    """Approve one request, the newest that waits unless named, and run its job."""
    waiting = ApprovalRequest.objects.waiting().order_by("-id")
    request = waiting.get(pk=request_id) if request_id else waiting[0]
    approvals.approve(
        request_id=request.pk,
        approver=by or person(),
        payload_hash=request.payload_hash,
        now=now or clock.now(),
    )
    return run(request)


def agree_if_asked() -> None:
    """Agree to what waits, if something does."""
    if ApprovalRequest.objects.waiting().exists():
        agree()


def run(request: ApprovalRequest) -> ApprovalRequest:
    """Run the job that a request names, as a worker would."""
    current_app.loader.import_default_modules()
    current_app.tasks[request.action].run(approval_id=str(request.pk))
    request.refresh_from_db()
    return request
