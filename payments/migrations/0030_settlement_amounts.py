"""The amount of a settlement may change until it is in the books."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql" / "0030_settlement_amounts.sql"

UNDO = """
DROP TRIGGER payments_settlement_amount ON payments_settlement;
DROP TRIGGER payments_settlement_facts ON payments_settlement;
CREATE TRIGGER payments_settlement_facts
    BEFORE UPDATE OF id, provider, gateway_id, currency, amount_micros, created_at, seen_at
    ON payments_settlement FOR EACH ROW EXECUTE FUNCTION legato_refuse_change();
ALTER TABLE payments_settlement ENABLE ALWAYS TRIGGER payments_settlement_facts;
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0029_debt_rules")]

    operations = [migrations.RunSQL(SQL.read_text(), UNDO)]
