"""Sealing: every transaction becomes a link of one hash chain, in the order it is found.

One sealer works at a time, whoever calls. There is no high-water mark on ids: a transaction that
commits late waits in ``Unsealed`` and is sealed later.
"""

from datetime import datetime

from django.db import connection
from django.db.transaction import atomic

from legato_payments.lib.failpoints import failpoint
from payments.models import AuditEntry, AuditSeal, Seal

BATCH = 2_000
"""Transactions sealed in one database transaction: short enough to be no burden."""


def seal(*, now: datetime, limit: int = BATCH) -> int:
    """Link up to ``limit`` waiting transactions, and sum them up per account and day.

    Returns:
        How many; 0 also when somebody else is sealing.
    """
    with atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT payments_seal_batch(%s, %s)", [limit, now])
        row = cursor.fetchone()
        failpoint("seal.linked")
    return int(row[0]) if row else 0


def seal_all(*, now: datetime, most: int = 1_000_000) -> int:
    """Seal until nothing waits, batch by batch; how many in all, ``most`` at the most."""
    sealed = 0
    while sealed < most and (batch := seal(now=now)):
        sealed += batch
    return sealed


def seal_audit(*, now: datetime, limit: int = BATCH) -> int:
    """The same for the audit log, which has a chain of its own."""
    with atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT payments_seal_audit(%s, %s)", [limit, now])
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def head() -> Seal | None:
    """The newest link: who keeps its hash elsewhere can prove that nothing before it changed."""
    return Seal.objects.order_by("-sequence").first()


def audit_head() -> AuditSeal | None:
    """The newest link of the audit log's chain."""
    return AuditSeal.objects.order_by("-sequence").first()


def unsealed_audit_entries() -> int:
    """Audit entries that wait for their seal."""
    return AuditEntry.objects.filter(seal__isnull=True).count()
