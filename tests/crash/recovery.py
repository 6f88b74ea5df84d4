"""What is there after a death, and how long it takes until others may go on."""

from datetime import timedelta

from django.utils import timezone

from payments.ledger import invariants, sealing
from payments.models import ApprovalRequest, IdempotencyKey, Purchase, WebhookEvent
from tests.factories import NOW
from tests.ledger import feed


def assert_nothing_is_lost() -> None:
    """Seal and publish what is there: every check is clean, and the feed is whole."""
    sealing.seal_all(now=NOW)
    assert list(invariants.discrepancies()) == []
    feed.assert_complete()


def the_lease_passes() -> None:
    """The dead process held leases: make them old, as some minutes would."""
    past = timezone.now() - timedelta(seconds=1)
    for leased in (IdempotencyKey, WebhookEvent, Purchase, ApprovalRequest):
        leased.objects.filter(locked_until__isnull=False).update(locked_until=past)
