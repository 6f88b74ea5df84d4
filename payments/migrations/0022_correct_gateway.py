"""Corrections of a gateway's balance always need another person."""

from datetime import UTC, datetime

from django.db import migrations, models

FROM = datetime(2026, 1, 1, tzinfo=UTC)

FOUR_EYES = (
    "payments.adjust_wallet",
    "payments.change_approval_rule",
    "payments.change_package",
    "payments.correct_gateway",
    "payments.set_rate",
    "revenue.change_split_rule",
)


def create(apps, schema_editor):
    rules = apps.get_model("payments", "ApprovalRule").objects.using(schema_editor.connection.alias)
    rules.create(
        action="payments.correct_gateway",
        from_micros=0,
        needed=1,
        valid_from=FROM,
        created_by="system:migration",
        reason="initial value",
    )


class Migration(migrations.Migration):
    dependencies = [("payments", "0021_reconciliation")]

    operations = [
        migrations.RemoveConstraint(
            model_name="approvalrule", name="payments_approvalrule_four_eyes"
        ),
        migrations.AddConstraint(
            model_name="approvalrule",
            constraint=models.CheckConstraint(
                name="payments_approvalrule_four_eyes",
                condition=models.Q(("needed__gte", 1))
                | models.Q(("action__in", FOUR_EYES), _negated=True),
            ),
        ),
        migrations.RunPython(create, migrations.RunPython.noop),
    ]
