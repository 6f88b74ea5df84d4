"""Indexes and foreign keys that a spend does not have to touch."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0007_coin_life'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='coinlot',
            name='payments_coinlot_open',
        ),
        migrations.RemoveIndex(
            model_name='coinlot',
            name='payments_coinlot_expiring',
        ),
        migrations.AddField(
            model_name='coinlot',
            name='is_used_up',
            field=models.GeneratedField(db_persist=True, expression=models.Q(('next_coin__gte', models.F('coins'))), output_field=models.BooleanField()),
        ),
        migrations.AlterField(
            model_name='entry',
            name='transaction',
            field=models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='entries', to='payments.transaction'),
        ),
        migrations.AlterField(
            model_name='unsealed',
            name='transaction',
            field=models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='unsealed', serialize=False, to='payments.transaction'),
        ),
        migrations.AlterField(
            model_name='outboxevent',
            name='sequence',
            field=models.BigIntegerField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name='transaction',
            name='idempotency_key',
            field=models.CharField(max_length=160),
        ),
        migrations.AddIndex(
            model_name='coinlot',
            index=models.Index(models.F('wallet'), models.F('priority'), models.OrderBy(models.F('expires_at'), nulls_last=True), models.F('id'), condition=models.Q(('frozen_by', ''), ('is_used_up', False)), name='payments_coinlot_open'),
        ),
        migrations.AddIndex(
            model_name='coinlot',
            index=models.Index(condition=models.Q(('expires_at__isnull', False), ('frozen_by', ''), ('is_used_up', False)), fields=['expires_at'], name='payments_coinlot_expiring'),
        ),
        migrations.AddConstraint(
            model_name='outboxevent',
            constraint=models.UniqueConstraint(condition=models.Q(('sequence__isnull', False)), fields=('sequence',), name='payments_outboxevent_sequence'),
        ),
        migrations.AddConstraint(
            model_name='transaction',
            constraint=models.UniqueConstraint(fields=('idempotency_key',), name='payments_transaction_key'),
        ),
        # Room in each page for the next version of a row, so that it needs no index entry.
        migrations.RunSQL(
            "ALTER TABLE payments_coinlot SET (fillfactor = 80);"
            "ALTER TABLE payments_coinbalance SET (fillfactor = 70);",
            "ALTER TABLE payments_coinlot RESET (fillfactor);"
            "ALTER TABLE payments_coinbalance RESET (fillfactor);",
        ),
    ]
