"""Limits and rules of money refunds and disputes, and the currency of fees that are booked."""

from datetime import UTC, datetime

from django.db import migrations
from django.db.models import F

FROM = datetime(2026, 1, 1, tzinfo=UTC)
CREATED = {"valid_from": FROM, "created_by": "system:migration", "reason": "initial value"}

POLICIES = {"MONEY_REFUND_DAYS": 14, "GOODWILL_FREE_CENTS": 5_000}

RULES = [
    ("payments.refund_purchase", 0, 0),
    ("payments.refund_purchase", 100_000_000, 1),
]


def create(apps, schema_editor):
    alias = schema_editor.connection.alias
    policies = apps.get_model("payments", "Policy").objects.using(alias)
    for name, value in POLICIES.items():
        policies.create(name=name, value=value, **CREATED)
    rules = apps.get_model("payments", "ApprovalRule").objects.using(alias)
    for action, from_micros, needed in RULES:
        rules.create(action=action, from_micros=from_micros, needed=needed, **CREATED)
    purchases = apps.get_model("payments", "Purchase").objects.using(alias)
    purchases.filter(fee_micros__isnull=False).update(fee_currency=F("currency"))
    purchases.filter(status="SUCCEEDED").update(payment_id=F("gateway_id"))


class Migration(migrations.Migration):
    dependencies = [("payments", "0014_gateways")]

    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
