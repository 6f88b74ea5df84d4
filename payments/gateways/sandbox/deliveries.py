"""What the sandbox writes down of a change: a line of its book, and the webhook it owes us."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

from legato_payments.lib.jobs import enqueue
from payments.gateways.values import LineKind
from payments.models import SandboxCharge, SandboxDelivery, SandboxLine


def book(
    kind: LineKind,
    charge: SandboxCharge,
    *,
    source_id: str,
    gross_minor: int,
    now: datetime,
    fee_minor: int = 0,
) -> None:
    """Its balance for us changes by ``gross_minor`` less ``fee_minor``."""
    SandboxLine.objects.create(
        kind=kind,
        source_id=source_id,
        reference=charge.reference,
        gross_minor=gross_minor,
        fee_minor=fee_minor,
        currency=charge.currency,
        occurred_at=now,
    )


def tell(
    kind: str,
    charge: SandboxCharge,
    *,
    object_id: str,
    details: Mapping[str, Any],
    now: datetime,
) -> None:
    """Owe us a webhook about a payment, its refund or its dispute."""
    delivery = SandboxDelivery.objects.create(
        event_id=f"evt_{uuid4().hex}",
        charge=charge,
        body=b"",
        created_at=now,
        next_attempt_at=now,
    )
    event = {
        "id": delivery.event_id,
        "type": kind,
        "created": int(now.timestamp()),
        "data": {
            "id": object_id,
            "payment": charge.pk,
            "reference": charge.reference,
            "currency": charge.currency,
            **details,
        },
    }
    delivery.body = json.dumps(event, separators=(",", ":")).encode()
    delivery.save(update_fields=["body"])
    enqueue("payments.deliver_sandbox_webhook", delivery_id=delivery.pk)
