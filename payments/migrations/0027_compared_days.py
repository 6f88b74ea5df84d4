"""Purchases and refunds of a day, and refunds by the gateway's id; built beside live writers."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("payments", "0026_payment_methods")]

    operations = [
        AddIndexConcurrently(
            model_name="purchase",
            index=models.Index(
                fields=["provider", "created_at"],
                name="payments_purchase_paid",
                condition=models.Q(("status__in", ["SUCCEEDED", "QUARANTINED"])),
            ),
        ),
        AddIndexConcurrently(
            model_name="refund",
            index=models.Index(
                fields=["gateway_id"],
                name="payments_refund_gateway_id",
                condition=models.Q(("gateway_id", ""), _negated=True),
            ),
        ),
        AddIndexConcurrently(
            model_name="refund",
            index=models.Index(fields=["requested_at"], name="payments_refund_requested"),
        ),
    ]
