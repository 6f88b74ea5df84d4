"""Debts of before get their rows; a write-off always needs another person, a closing as a refund."""

from datetime import UTC, datetime
from pathlib import Path

from django.db import migrations
from django.db.models import Sum

FROM = datetime(2026, 1, 1, tzinfo=UTC)

RULES = [("payments.write_off_debt", 1), ("payments.close_refund", 0)]

SQL = Path(__file__).parent / "sql" / "0029_debts.sql"

UNDO = """
DROP TRIGGER payments_debtreduction_approved ON payments_debtreduction;
DROP TRIGGER payments_debtreduction_facts ON payments_debtreduction;
DROP FUNCTION payments_debtreduction_approved();
DROP FUNCTION payments_debtreduction_kept();
"""


def create(apps, schema_editor):
    alias = schema_editor.connection.alias
    rules = apps.get_model("payments", "ApprovalRule").objects.using(alias)
    for action, needed in RULES:
        rules.create(
            action=action,
            from_micros=0,
            needed=needed,
            valid_from=FROM,
            created_by="system:migration",
            reason="initial value",
        )
    owing = apps.get_model("payments", "DisputeLoss").objects.using(alias)
    readers = owing.filter(reader_micros__gt=0).values_list("dispute__purchase__user_id", flat=True)
    for user_id in readers.distinct().order_by("dispute__purchase__user_id"):
        fill(apps, alias, user_id)


def fill(apps, alias, user_id):
    """The rows of one reader: every loss the reader owed, every purchase that paid, what is open.

    Purchases pay the oldest debt first, and of what came back the newest payment counts. Rows are
    numbered in the order of time, as services number them.
    """
    wallet = apps.get_model("payments", "CoinBalance").objects.using(alias).get(user_id=user_id)
    debts = apps.get_model("payments", "Debt").objects.using(alias)
    losses = apps.get_model("payments", "DisputeLoss").objects.using(alias).filter(
        reader_micros__gt=0, dispute__purchase__user_id=user_id
    )
    rest, found = wallet.debt_micros, []
    for loss in losses.order_by("-transaction_id"):
        is_open = loss.undone_by_id is None
        still_owed = min(rest, loss.reader_micros) if is_open else 0
        rest -= still_owed
        row = debts.model(
            wallet=wallet,
            loss=loss,
            amount_micros=loss.reader_micros,
            open_micros=still_owed,
            transaction_id=loss.transaction_id,
            owed_at=loss.lost_at,
            voided_by_id=loss.undone_by_id,
        )
        found.append(row)
    debts.bulk_create(reversed(found))
    reductions = apps.get_model("payments", "DebtReduction").objects.using(alias)
    returned, found = came_back(apps, alias, user_id), []
    purchases = apps.get_model("payments", "Purchase").objects.using(alias)
    for purchase in purchases.filter(user_id=user_id, debt_micros__gt=0).order_by("-id"):
        undone = min(returned, purchase.debt_micros)
        returned -= undone
        row = reductions.model(
            wallet=wallet,
            purchase=purchase,
            transaction_id=purchase.transaction_id,
            amount_micros=purchase.debt_micros,
            undone_micros=undone,
            reduced_by="system:settle",
            reduced_at=purchase.settled_at,
        )
        found.append(row)
    reductions.bulk_create(reversed(found))


def came_back(apps, alias, user_id):
    entries = apps.get_model("payments", "Entry").objects.using(alias)
    found = entries.filter(
        transaction__kind="DEBT_RETURNED",
        account__code="receivable:user",
        account__owner_id=user_id,
    )
    return found.aggregate(total=Sum("amount", default=0))["total"]


class Migration(migrations.Migration):
    dependencies = [("payments", "0028_debts")]

    operations = [
        migrations.RunPython(create, migrations.RunPython.noop),
        migrations.RunSQL(SQL.read_text(), UNDO),
    ]
