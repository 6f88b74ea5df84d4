"""The publisher: gives committed events their place in the stream."""

from datetime import datetime

import structlog
from django.db import connection
from django.db.transaction import atomic

from legato_payments.lib.failpoints import failpoint

log = structlog.get_logger(__name__)

BATCH = 5_000
"""Events numbered in one transaction."""

MAX_BATCHES = 40
"""Of one run; what is left waits for the next one, a few seconds later."""

_LOCK = (int.from_bytes(b"evts"), 1)
"""Two numbers, so that it is none of the locks that have one."""

# The order of the transactions, not of the clocks of the hosts that made the ids: whoever waited
# for a lock got their transaction number after the one they waited for. Within a transaction ids
# ascend. age() also holds when the numbers wrap around.
_NUMBER = """
WITH waiting AS (
    SELECT id, row_number() OVER (ORDER BY age(xmin) DESC, id) AS place
    FROM payments_outboxevent WHERE sequence IS NULL
    ORDER BY age(xmin) DESC, id LIMIT %s
)
UPDATE payments_outboxevent e
SET sequence = coalesce((SELECT max(sequence) FROM payments_outboxevent), 0) + waiting.place,
    published_at = %s
FROM waiting WHERE e.id = waiting.id
"""


def publish(*, now: datetime) -> int:
    """Number every event that is committed and has no number yet; says how many.

    Numbers have no gaps and are never given twice: they continue the highest one, under a lock that
    one publisher holds at a time. Numbered and committed is one step, so a publisher that dies has
    done nothing. An event whose transaction commits late gets a later number: whoever has read up
    to a number has missed nothing before it. The newest event must therefore never be deleted.

    Safe to run twice, also at once: the second publisher leaves the work to the first.
    """
    published = 0
    for _ in range(MAX_BATCHES):
        count = _publish_batch(now)
        published += count
        if count < BATCH:
            return published
    log.warning("events_backlog", published=published)
    return published


@atomic(durable=True)
def _publish_batch(now: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", _LOCK)
        if cursor.fetchone() != (True,):
            return 0
        # A statement of its own: its snapshot must be younger than the lock.
        cursor.execute(_NUMBER, [BATCH, now])
        count: int = cursor.rowcount
    failpoint("events.numbered")
    return count
