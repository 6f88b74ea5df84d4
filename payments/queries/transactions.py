"""A reader's transactions: purchases in any state, and everything else that moved their coins."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from legato_payments.lib.money import Money
from payments.enums import TransactionKind
from payments.models import Purchase

TYPES = {
    TransactionKind.COIN_PURCHASE: "coin_purchase",
    TransactionKind.CONTENT_PURCHASE: "content_purchase",
    TransactionKind.TIP: "tip",
    TransactionKind.REVERSAL: "refund",
    TransactionKind.PROMO_GRANT: "promo",
    TransactionKind.EXPIRY: "expiry",
    TransactionKind.COIN_TRANSFER: "transfer",
    TransactionKind.ADJUSTMENT: "adjustment",
    TransactionKind.MONEY_REFUND: "refund",
    TransactionKind.REFUND_FAILED: "refund",
    TransactionKind.REFUND_RETAKEN: "refund",
    TransactionKind.DISPUTE_LOST: "adjustment",
    TransactionKind.LOSS_UNDONE: "adjustment",
    TransactionKind.DEBT_RETURNED: "adjustment",
}
"""The API's word for each kind that touches a reader's wallet."""

STATUSES: dict[str, str] = {
    Purchase.Status.CREATED: "pending",
    Purchase.Status.PENDING: "pending",
    # The reader paid, and finance has to decide: nothing they could do about it.
    Purchase.Status.QUARANTINED: "pending",
    Purchase.Status.SUCCEEDED: "succeeded",
    Purchase.Status.FAILED: "failed",
    Purchase.Status.EXPIRED: "expired",
    # What became of a settled one, as HISTORY tells it.
    "DISPUTED": "disputed",
    "REFUNDED": "refunded",
    "PARTIALLY_REFUNDED": "partially_refunded",
}

# Ids are uuid7, made when the event began: their order is the order of time, and the index of each
# branch delivers it. A purchase is found by its own row, settled or not.
HISTORY = """
SELECT * FROM (
    (SELECT p.id, 'COIN_PURCHASE' AS kind,
            CASE WHEN p.status <> 'SUCCEEDED' THEN p.status
                 WHEN EXISTS (SELECT FROM payments_dispute d WHERE d.purchase_id = p.id
                              AND (d.booked <> 'NONE' OR NOT d.is_inquiry AND d.status IN
                                   ('NEEDS_RESPONSE', 'UNDER_REVIEW'))) THEN 'DISPUTED'
                 WHEN p.refunded_micros = 0 THEN p.status
                 WHEN p.refunded_micros = p.price_micros + p.tax_micros THEN 'REFUNDED'
                 ELSE 'PARTIALLY_REFUNDED' END AS status,
            p.coins + p.bonus_coins - p.debt_coins AS coins,
            p.price_micros + p.tax_micros AS micros, p.currency, NULL AS content_id,
            NULL AS counterparty_id, p.provider, p.created_at, p.settled_at, NULL::uuid AS related
     FROM payments_purchase p
     WHERE p.user_id = %(user)s AND {window_p} {kind_p}
     ORDER BY p.id {order} LIMIT %(limit)s)
    UNION ALL
    (SELECT t.id, t.kind, CASE WHEN r.id IS NULL THEN 'SUCCEEDED' ELSE 'REFUNDED' END,
            -e.amount, NULL, NULL, t.metadata ->> 'content_id',
            CASE t.metadata ->> 'counterparty_id' WHEN %(user)s THEN t.metadata ->> 'sender_id'
                 ELSE t.metadata ->> 'counterparty_id' END,
            NULL, t.occurred_at, t.recorded_at,
            coalesce(t.reverses_id, t.relates_to)
     FROM payments_account a
     JOIN payments_entry e ON e.account_id = a.id
     JOIN payments_transaction t ON t.id = e.transaction_id
     LEFT JOIN payments_transaction r ON r.reverses_id = t.id
     WHERE a.code = 'wallet' AND a.owner_type = 'USER' AND a.owner_id = %(user)s
       AND a.unit = 'COIN' AND t.kind <> 'COIN_PURCHASE' AND {window_t} {kind_t}
     ORDER BY t.id {order} LIMIT %(limit)s)
) AS history ORDER BY id {order} LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a history, as the API shows it. ``coins`` is signed: minus is out."""

    id: UUID
    type: str
    status: str
    coins: int
    money: Money | None
    content_id: str | None
    counterparty_id: str | None
    gateway: str | None
    created_at: datetime
    settled_at: datetime | None
    related_id: UUID | None


@dataclass(frozen=True, slots=True)
class Filter:
    """What to leave out of a history: other types, and what is outside ``since`` to ``until``."""

    type: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def history(
    *,
    user_id: str,
    only: Filter,
    limit: int,
    after: UUID | None = None,
    before: UUID | None = None,
) -> list[Row]:
    """A reader's transactions, newest first.

    Args:
        after: Only those that come after this one in the list, so older ones.
        before: Only newer ones than this; they come oldest first.
    """
    if only.type is not None and only.type not in TYPES.values():
        return []
    sql = HISTORY.format(
        order="ASC" if before else "DESC",
        window_p=_window("p.id", "p.created_at", only, after=after, before=before),
        window_t=_window("t.id", "t.occurred_at", only, after=after, before=before),
        kind_p="AND (%(kinds)s::text[] IS NULL OR 'COIN_PURCHASE' = ANY(%(kinds)s))",
        kind_t="AND (%(kinds)s::text[] IS NULL OR t.kind = ANY(%(kinds)s))",
    )
    parameters = {
        "user": user_id,
        "limit": limit,
        "kinds": [str(kind) for kind, name in TYPES.items() if name == only.type] or None,
        "since": only.since,
        "until": only.until,
        "after": after,
        "before": before,
    }
    return _rows(sql, parameters)


def find(*, transaction_id: UUID, user_id: str | None = None) -> tuple[str, Row] | None:
    """One transaction and the reader it belongs to.

    Args:
        user_id: Only if it is this reader's; of a gift, both sides see their own.
    """
    owner = user_id or owner_of(transaction_id=transaction_id)
    if owner is None:
        return None
    one = HISTORY.format(
        order="DESC",
        window_p="p.id = %(id)s",
        window_t="t.id = %(id)s",
        kind_p="",
        kind_t="",
    )
    rows = _rows(one, {"user": owner, "limit": 1, "id": transaction_id})
    return (owner, rows[0]) if rows else None


def owner_of(*, transaction_id: UUID) -> str | None:
    """The reader whose purchase or coins a transaction is about; of a gift, the giver."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT user_id, 0 AS line FROM payments_purchase WHERE id = %(id)s
            UNION ALL
            SELECT a.owner_id, e.line FROM payments_entry e
            JOIN payments_account a ON a.id = e.account_id
            WHERE e.transaction_id = %(id)s AND a.code = 'wallet'
            ORDER BY line LIMIT 1
            """,
            {"id": transaction_id},
        )
        row = cursor.fetchone()
    return row[0] if row else None


def _window(
    id_column: str,
    time_column: str,
    only: Filter,
    *,
    after: UUID | None,
    before: UUID | None,
) -> str:
    conditions = ["true"]
    if only.since:
        conditions.append(f"{time_column} >= %(since)s")
    if only.until:
        conditions.append(f"{time_column} < %(until)s")
    if after:
        conditions.append(f"{id_column} < %(after)s")
    if before:
        conditions.append(f"{id_column} > %(before)s")
    return " AND ".join(conditions)


def _rows(sql: str, parameters: dict[str, Any]) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        names = [column.name for column in cursor.description or ()]
        return [_row(dict(zip(names, values, strict=True))) for values in cursor.fetchall()]


def _row(found: dict[str, Any]) -> Row:
    is_purchase = found["kind"] == TransactionKind.COIN_PURCHASE
    return Row(
        id=found["id"],
        type=TYPES[TransactionKind(found["kind"])],
        status=STATUSES[found["status"]] if is_purchase else found["status"].lower(),
        coins=found["coins"],
        money=Money(found["micros"], found["currency"]) if is_purchase else None,
        content_id=found["content_id"],
        counterparty_id=found["counterparty_id"],
        gateway=found["provider"].lower() if found["provider"] else None,
        created_at=found["created_at"],
        settled_at=found["settled_at"],
        related_id=found["related"],
    )
