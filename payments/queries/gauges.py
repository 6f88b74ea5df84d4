"""Figures of the tables for Prometheus. Every query reads a bounded number of rows.

The sums over the whole history are for ``manage.py verify_ledger``; what is watched here is what is
new, and what can be read from the daily sums.
"""

from collections.abc import Iterator
from datetime import datetime

from django.db import connection
from django.db.models import Count, F, Min

from legato_payments.lib.gauges import Gauge, Read
from payments.enums import Unit
from payments.models import OutboxEvent, Unsealed, WebhookEvent

NEWEST_TRANSACTIONS = 5_000
MOST_WAITING = 10_000
"""Rows counted at the most: a queue that long needs no better figure."""

# Per transaction first: two that are off by opposite amounts do not hide each other.
_IMBALANCE = """
SELECT unit, sum(abs(rest))::bigint FROM (
    SELECT e.unit, sum(e.amount) AS rest
    FROM (SELECT id FROM payments_transaction ORDER BY id DESC LIMIT %s) t
    JOIN payments_entry e ON e.transaction_id = t.id
    GROUP BY e.transaction_id, e.unit
) x GROUP BY unit
"""

# One statement, one snapshot: what is sealed stands in the daily sums, the rest in the entries.
_DEFERRED_DRIFT = """
WITH deferred AS (SELECT id FROM payments_account WHERE code = 'coins_deferred')
SELECT (
    (SELECT coalesce(sum(d.credits - d.debits), 0)
     FROM payments_accountday d WHERE d.account_id IN (SELECT id FROM deferred))
  - (SELECT coalesce(sum(e.amount), 0)
     FROM payments_unsealed u JOIN payments_entry e ON e.transaction_id = u.transaction_id
     WHERE e.account_id IN (SELECT id FROM deferred))
  - (SELECT coalesce(sum(value_micros - div(value_micros::numeric * next_coin, coins)), 0)
     FROM payments_coinlot WHERE NOT is_used_up)
)::bigint
"""


def imbalance(_now: datetime) -> Iterator[Gauge]:
    """What the entries of the newest transactions do not sum to zero by, per unit."""
    with connection.cursor() as cursor:
        cursor.execute(_IMBALANCE, [NEWEST_TRANSACTIONS])
        found = dict(cursor.fetchall())
    yield Gauge(
        "legato_ledger_imbalance_micros",
        "What the newest transactions are out of balance by, in micros or coins. Always 0.",
        {(("unit", unit.value),): found.get(unit, 0) for unit in Unit},
    )


def deferred_drift(_now: datetime) -> Iterator[Gauge]:
    """What we owe for unused coins by the ledger, less what their lots are worth, USD micros."""
    with connection.cursor() as cursor:
        cursor.execute(_DEFERRED_DRIFT)
        (drift,) = cursor.fetchone() or (0,)
    yield Gauge(
        "legato_coins_deferred_drift_micros",
        "Account coins_deferred less the value of all unused coins, USD micros. Always 0.",
        {(): drift},
    )


def unsealed(now: datetime) -> Iterator[Gauge]:
    """Transactions that are not in the hash chain yet."""
    recorded = Unsealed.objects.annotate(recorded_at=F("transaction__recorded_at"))
    waiting = recorded.order_by("pk")[:MOST_WAITING]
    found = waiting.aggregate(rows=Count("pk"), since=Min("recorded_at"))
    yield Gauge(
        "legato_ledger_unsealed_rows",
        f"Transactions that wait for their seal, {MOST_WAITING} at the most.",
        {(): found["rows"]},
    )
    yield _age(
        "legato_ledger_unsealed_oldest_seconds",
        "How long the oldest of them has waited.",
        found["since"],
        now,
    )


def outbox(now: datetime) -> Iterator[Gauge]:
    """Events that other services cannot read yet."""
    waiting = OutboxEvent.objects.filter(sequence__isnull=True).order_by("pk")[:MOST_WAITING]
    found = waiting.aggregate(rows=Count("pk"), since=Min("occurred_at"))
    yield Gauge(
        "legato_outbox_pending",
        f"Events that wait for their number, {MOST_WAITING} at the most.",
        {(): found["rows"]},
    )
    yield _age(
        "legato_outbox_oldest_seconds",
        "How long the oldest of them has waited.",
        found["since"],
        now,
    )


def webhooks(now: datetime) -> Iterator[Gauge]:
    """Stored deliveries that no job has finished."""
    # Whatever is done has no next attempt, and the index knows.
    waiting = WebhookEvent.objects.filter(next_attempt_at__isnull=False)
    yield _age(
        "legato_webhook_lag_seconds",
        "How long the oldest unprocessed webhook has waited.",
        waiting.order_by()[:MOST_WAITING].aggregate(since=Min("received_at"))["since"],
        now,
    )


READINGS: dict[str, Read] = {
    "imbalance": imbalance,
    "deferred_drift": deferred_drift,
    "unsealed": unsealed,
    "outbox": outbox,
    "webhooks": webhooks,
}
"""What ``lib.gauges`` shows of this app."""


def _age(name: str, text: str, since: datetime | None, now: datetime) -> Gauge:
    return Gauge(name, text, {(): max(0, (now - since).total_seconds()) if since else 0})
