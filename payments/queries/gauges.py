"""Figures of the tables for Prometheus and for probes.

The sums over the whole history are for ``manage.py verify_ledger``. What is watched here is what is
new, of which a bounded number of rows is read, and what the daily sums say against what readers
hold. That takes a row per wallet or unused lot, some 0.1 s for a million of them, and so is read
seldom: a sum kept beside them would be one row that every purchase and spend waits for.
"""

from collections.abc import Iterator
from datetime import datetime

from django.db import connection
from django.db.models import Count, F, Max, Min, Q

from legato_payments.lib.gauges import Gauge, Reading
from payments.enums import Unit
from payments.models import (
    Attempt,
    Difference,
    Dispute,
    OutboxEvent,
    ReconciliationRun,
    Refund,
    Unsealed,
    WebhookEvent,
)
from payments.models.attempts import PATIENCE
from payments.queries.overview import DUE_SOON

NEWEST_TRANSACTIONS = 5_000
MOST_WAITING = 10_000
"""Rows counted at the most: a queue that long needs no better figure."""

SELDOM = 12
"""Once a minute, when all else is read every five seconds."""

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
_LEDGER = """
WITH accounts AS (SELECT id FROM payments_account WHERE code = %s),
ledger AS (
    SELECT (SELECT coalesce(sum(d.debits - d.credits), 0)
            FROM payments_accountday d WHERE d.account_id IN (SELECT id FROM accounts))
         + (SELECT coalesce(sum(e.amount), 0)
            FROM payments_unsealed u JOIN payments_entry e ON e.transaction_id = u.transaction_id
            WHERE e.account_id IN (SELECT id FROM accounts)) AS net
)
"""

_DEFERRED_DRIFT = """
SELECT (-net - worth)::bigint FROM ledger, (
    SELECT coalesce(sum(value_micros - div(value_micros::numeric * next_coin, coins)), 0) AS worth
    FROM payments_coinlot WHERE NOT is_used_up) lots
"""

_ISSUED_DRIFT = """
SELECT (net - inside)::bigint FROM ledger, (
    SELECT coalesce(sum(coins + held), 0) AS inside FROM payments_coinbalance) wallets
"""

_CLEARING = """
SELECT 'refund_in_flight', min(requested_at) FROM payments_refund WHERE status = ANY(%(open)s)
UNION ALL
SELECT 'dispute_hold', min(opened_at) FROM payments_dispute WHERE booked = %(held)s
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
        must_be_zero=True,
    )


def deferred_drift(_now: datetime) -> Iterator[Gauge]:
    """What we owe for unused coins by the ledger, less what their lots are worth, USD micros."""
    yield Gauge(
        "legato_coins_deferred_drift_micros",
        "Account coins_deferred less the value of all unused coins, USD micros. Always 0.",
        {(): _drift("coins_deferred", _DEFERRED_DRIFT)},
        must_be_zero=True,
    )


def issued_drift(_now: datetime) -> Iterator[Gauge]:
    """Coins in circulation by the ledger, less what all wallets hold, frozen coins included."""
    yield Gauge(
        "legato_coins_issued_drift_coins",
        "Account coins_issued less the coins of all wallets. Always 0.",
        {(): _drift("coins_issued", _ISSUED_DRIFT)},
        must_be_zero=True,
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


def disputes(now: datetime) -> Iterator[Gauge]:
    """Disputes that finance has to see to."""
    is_due = Q(status=Dispute.Status.NEEDS_RESPONSE, evidence_due_at__lt=now + DUE_SOON)
    found = Dispute.objects.open().aggregate(rows=Count("pk"), due=Count("pk", filter=is_due))
    yield Gauge("legato_disputes_open", "Disputes that are not decided.", {(): found["rows"]})
    yield Gauge(
        "legato_disputes_due_soon",
        "Disputes whose evidence is due within 72 hours, or late.",
        {(): found["due"]},
    )


def refunds(_now: datetime) -> Iterator[Gauge]:
    """Refunds that finance has to see to."""
    yield Gauge(
        "legato_refunds_awaiting_finance",
        "Refunds that a person has to do something about.",
        {(): Refund.objects.awaiting_finance().count()},
    )


def attempts(now: datetime) -> Iterator[Gauge]:
    """Calls to gateways of which nobody knows what came."""
    is_old = Q(created_at__lte=now - PATIENCE)
    found = Attempt.objects.unresolved().aggregate(rows=Count("pk"), old=Count("pk", filter=is_old))
    yield Gauge(
        "legato_gateway_attempts_unresolved",
        "Calls to gateways of which nobody knows what came.",
        {(): found["rows"]},
    )
    yield Gauge(
        "legato_gateway_attempts_awaiting_finance",
        "Those of them that have been so for a day.",
        {(): found["old"]},
    )


def clearing(now: datetime) -> Iterator[Gauge]:
    """How long money has been on its way back to payers, or held by their banks."""
    with connection.cursor() as cursor:
        cursor.execute(_CLEARING, {"open": list(Refund.OPEN), "held": Dispute.Booked.HELD})
        found = dict(cursor.fetchall())
    yield Gauge(
        "legato_clearing_account_age_seconds",
        "How long the oldest money has been in an account that it only passes through.",
        {
            (("account", name),): max(0, (now - since).total_seconds()) if since else 0
            for name, since in found.items()
        },
    )


def differences(_now: datetime) -> Iterator[Gauge]:
    """Differences from gateways that wait for a person."""
    found = Difference.objects.open().values("kind").order_by("kind").annotate(rows=Count("pk"))
    rows = dict(found.values_list("kind", "rows"))
    yield Gauge(
        "legato_reconciliation_breaks",
        "Open differences between a gateway and our books, by class.",
        {(("kind", kind.lower()),): rows.get(kind, 0) for kind in Difference.Kind.values},
    )


def reconciliation(now: datetime) -> Iterator[Gauge]:
    """Whether anybody still looks for differences."""
    done = ReconciliationRun.objects.filter(status=ReconciliationRun.Status.DONE)
    newest = done.order_by("provider").values("provider").annotate(at=Max("started_at"))
    yield _age(
        "legato_reconciliation_age_seconds",
        "Since the gateway that was left alone for longest was compared; 0 before the first time.",
        min((row["at"] for row in newest), default=None),
        now,
    )


READINGS: dict[str, Reading] = {
    "imbalance": Reading(imbalance),
    "deferred_drift": Reading(deferred_drift, patience=SELDOM),
    "issued_drift": Reading(issued_drift, patience=SELDOM),
    "unsealed": Reading(unsealed),
    "outbox": Reading(outbox),
    "webhooks": Reading(webhooks),
    "disputes": Reading(disputes),
    "refunds": Reading(refunds),
    "attempts": Reading(attempts),
    "clearing": Reading(clearing),
    "differences": Reading(differences, patience=SELDOM),
    "reconciliation": Reading(reconciliation, patience=SELDOM),
}
"""What ``lib.gauges`` shows of this app."""


def _drift(code: str, sql: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_LEDGER + sql, [code])
        (drift,) = cursor.fetchone() or (0,)
    return int(drift)


def _age(name: str, text: str, since: datetime | None, now: datetime) -> Gauge:
    return Gauge(name, text, {(): max(0, (now - since).total_seconds()) if since else 0})
