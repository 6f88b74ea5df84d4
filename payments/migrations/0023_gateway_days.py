"""Postings on gateways' accounts can be found by their day; built beside live writers."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

KINDS = (
    "COIN_PURCHASE",
    "CONVERSION",
    "CORRECTION",
    "DISPUTE_FEE",
    "DISPUTE_OPENED",
    "DISPUTE_WON",
    "GATEWAY_FEE",
    "REFUND_PAID",
    "REFUND_RETURNED",
    "REVERSAL",
    "SETTLEMENT",
    "SETTLEMENT_RETURNED",
)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("payments", "0022_correct_gateway")]

    operations = [
        AddIndexConcurrently(
            model_name="transaction",
            index=models.Index(
                fields=["occurred_at"],
                name="payments_transaction_gateway",
                condition=models.Q(("kind__in", KINDS)),
            ),
        ),
    ]
