"""post(): the only door into the ledger."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from psycopg.types.json import Jsonb

from legato_payments.lib.ids import uuid7
from legato_payments.lib.metrics import LEDGER_TRANSACTIONS
from payments.ledger.templates import Draft, Line
from payments.models.ledger import Transaction

POST = """
SELECT payments_post(
    %s::uuid, %s, %s, %s, %s, %s, %s, %s::uuid, %s::uuid, %s::numeric, %s, %s, %s, %s
)
"""


class KeyAlreadyPosted(Exception):
    """The business event is in the books already, though its effects were about to happen again.

    A bug or a broken lock; never an answer to a user. Raising rolls the second effect back.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a transaction says of itself, apart from its lines.

    Args:
        key: Names the business event once and for ever, for example ``purchase:8412:settle``.
        occurred_at: When it happened, UTC; not when the row is written.
        source_type: What caused it, with ``source_id``.
        actor: ``user:x``, ``staff:7``, ``service:y`` or ``system:task-name``.
        id: Chosen by the caller when other rows of the same event need it first.
        fx_rate: Units of the paid currency per US dollar, when the event converts.
    """

    key: str
    occurred_at: datetime
    source_type: str
    source_id: str
    actor: str
    id: UUID = field(default_factory=uuid7)
    reverses: UUID | None = None
    relates_to: UUID | None = None
    fx_rate: Decimal | None = None
    memo: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


def post(draft: Draft, header: Header) -> UUID:
    """Record one balanced transaction: header and all lines in one SQL call.

    Returns:
        The id of the new transaction.

    Raises:
        KeyAlreadyPosted: ``header.key`` is in the books already.
    """
    lines = [_line_json(line) for line in draft.lines]
    values: list[Any] = [
        header.id,
        draft.kind,
        header.source_type,
        header.source_id,
        header.key,
        _payload_hash(draft, header, lines),
        header.occurred_at,
        header.reverses,
        header.relates_to,
        header.fx_rate,
        header.actor,
        header.memo,
        Jsonb(dict(header.metadata)),
        Jsonb(lines),
    ]
    with connection.cursor() as cursor:
        cursor.execute(POST, values)
        row = cursor.fetchone()
    if not row or not row[0]:
        raise KeyAlreadyPosted(header.key)
    LEDGER_TRANSACTIONS.labels(kind=draft.kind.lower()).inc()
    return header.id


def find(key: str) -> Transaction | None:
    """The transaction recorded under a business key, if the event happened already."""
    return Transaction.objects.filter(idempotency_key=key).first()


def _line_json(line: Line) -> dict[str, Any]:
    account, chart = line.account, line.account.chart
    return {
        "code": account.code,
        "owner_type": chart.owner,
        "owner_id": account.owner_id,
        "unit": account.unit,
        "type": chart.type,
        "normal_side": chart.normal_side,
        "mode": chart.mode,
        "amount": line.amount,
    }


def _payload_hash(draft: Draft, header: Header, lines: list[dict[str, Any]]) -> bytes:
    payload = {
        "kind": draft.kind,
        "source": [header.source_type, header.source_id],
        "occurred_at": header.occurred_at.isoformat(),
        "lines": [[line["code"], line["owner_id"], line["unit"], line["amount"]] for line in lines],
    }
    return hashlib.sha256(json.dumps(payload, separators=(",", ":")).encode()).digest()
