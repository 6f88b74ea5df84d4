"""Runs of the reconciliation, what they compared, and what differs; never deleted."""

from pathlib import Path

import django.db.models.deletion
import legato_payments.lib.ids
from django.db import migrations, models

from legato_payments.lib.append_only import drop_triggers_sql, triggers_sql

SQL = Path(__file__).parent / "sql" / "0021_reconciliation.sql"
DROP = """
DROP TRIGGER payments_difference_guard ON payments_difference;
DROP TRIGGER payments_difference_no_delete ON payments_difference;
DROP TRIGGER payments_difference_no_truncate ON payments_difference;
DROP TRIGGER payments_difference_approved ON payments_difference;
DROP FUNCTION payments_difference_guard();
DROP FUNCTION payments_difference_approved();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0020_settlement_rules'),
    ]

    operations = [
        migrations.CreateModel(
            name='Difference',
            fields=[
                ('id', models.UUIDField(default=legato_payments.lib.ids.uuid7, primary_key=True, serialize=False)),
                ('provider', models.CharField(choices=[('STRIPE', 'Stripe'), ('PAYSTACK', 'Paystack'), ('SANDBOX', 'Sandbox')], max_length=8)),
                ('day', models.DateField(help_text="UTC day of the gateway's list it was first found in.")),
                ('subject', models.CharField(choices=[('CHARGE', 'Charge'), ('REFUND', 'Refund'), ('DISPUTE', 'Dispute'), ('FEE', 'Fee'), ('LEDGER_LINE', 'Ledger line'), ('SETTLEMENT', 'Settlement'), ('BALANCE', 'Balance')], max_length=11)),
                ('kind', models.CharField(choices=[('MISSING_HERE', 'Missing here'), ('MISSING_THERE', 'Missing at the gateway'), ('AMOUNT', 'Amount differs'), ('CURRENCY', 'Currency differs'), ('FEE', 'Fee differs'), ('STATUS', 'Status differs'), ('DUPLICATE', 'Duplicate')], max_length=13, verbose_name='class')),
                ('key', models.CharField(help_text='Of its subject; the same in every run.', max_length=160)),
                ('fingerprint', models.CharField(help_text='SHA-256 of both sides.', max_length=64)),
                ('reference', models.CharField(blank=True, default='', help_text='Ours.', max_length=64)),
                ('gateway_id', models.CharField(blank=True, default='', max_length=128)),
                ('object_type', models.CharField(blank=True, default='', max_length=40)),
                ('object_id', models.CharField(blank=True, default='', max_length=64)),
                ('ours', models.JSONField(blank=True, help_text='Empty: we have nothing.', null=True)),
                ('theirs', models.JSONField(blank=True, help_text='Empty: the gateway has nothing.', null=True)),
                ('gap_micros', models.BigIntegerField(blank=True, help_text='What the gateway holds for us beyond our books.', null=True)),
                ('currency', models.CharField(blank=True, default='', max_length=3)),
                ('first_seen_at', models.DateTimeField()),
                ('last_seen_at', models.DateTimeField()),
                ('owner', models.CharField(blank=True, default='', help_text='Who looks into it.', max_length=80)),
                ('status', models.CharField(choices=[('OPEN', 'Open'), ('CLOSED', 'Closed')], default='OPEN', max_length=6)),
                ('closing', models.CharField(blank=True, choices=[('MATCHED', 'Matched'), ('EXPLAINED', 'Explained'), ('ADJUSTED', 'Adjusted'), ('RESOLVED', 'Gone by itself')], default='', max_length=9)),
                ('reason_code', models.CharField(blank=True, choices=[('TIMING', 'Booked on another day'), ('GATEWAY_ERROR', "The gateway's mistake, which it puts right"), ('NOT_OURS', 'Belongs to another business of the same account'), ('TEST', 'A test payment'), ('HANDLED', 'Dealt with by hand, see the note'), ('OTHER', 'Something else, see the note')], default='', max_length=13)),
                ('matched_object', models.CharField(blank=True, default='', max_length=120)),
                ('closed_at', models.DateTimeField(blank=True, null=True)),
                ('closed_by', models.CharField(blank=True, default='', max_length=80)),
            ],
        ),
        migrations.CreateModel(
            name='DifferenceNote',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('text', models.CharField(max_length=500)),
                ('written_by', models.CharField(max_length=80)),
                ('written_at', models.DateTimeField()),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='ReconciliationDay',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('provider', models.CharField(choices=[('STRIPE', 'Stripe'), ('PAYSTACK', 'Paystack'), ('SANDBOX', 'Sandbox')], max_length=8)),
                ('day', models.DateField(help_text='UTC.')),
                ('currency', models.CharField(max_length=3)),
                ('their_gross_micros', models.BigIntegerField()),
                ('their_fee_micros', models.BigIntegerField()),
                ('our_gross_micros', models.BigIntegerField()),
                ('our_fee_micros', models.BigIntegerField()),
                ('elsewhere_micros', models.BigIntegerField()),
                ('matched', models.PositiveIntegerField()),
                ('repaired', models.PositiveIntegerField(help_text='By any run so far.')),
            ],
        ),
        migrations.CreateModel(
            name='ReconciliationRun',
            fields=[
                ('id', models.UUIDField(default=legato_payments.lib.ids.uuid7, primary_key=True, serialize=False)),
                ('provider', models.CharField(choices=[('STRIPE', 'Stripe'), ('PAYSTACK', 'Paystack'), ('SANDBOX', 'Sandbox')], max_length=8)),
                ('starts_at', models.DateTimeField(help_text='Of the window, included.')),
                ('ends_at', models.DateTimeField(help_text='Of the window, excluded.')),
                ('actor', models.CharField(max_length=80)),
                ('status', models.CharField(choices=[('RUNNING', 'Running'), ('DONE', 'Done'), ('FAILED', 'Failed')], default='RUNNING', max_length=7)),
                ('started_at', models.DateTimeField()),
                ('locked_until', models.DateTimeField()),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('matched', models.PositiveIntegerField(default=0)),
                ('repaired', models.PositiveIntegerField(default=0)),
                ('found', models.PositiveIntegerField(default=0, help_text='Differences seen, open or new.')),
                ('resolved', models.PositiveIntegerField(default=0, help_text='Differences that are gone.')),
                ('error', models.CharField(blank=True, default='', max_length=300)),
            ],
        ),
        migrations.AddField(
            model_name='difference',
            name='approval',
            field=models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='difference', to='payments.approvalrequest'),
        ),
        migrations.AddField(
            model_name='difference',
            name='matched_with',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='matches', to='payments.difference'),
        ),
        migrations.AddField(
            model_name='difference',
            name='transaction',
            field=models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='difference', to='payments.transaction'),
        ),
        migrations.AddField(
            model_name='differencenote',
            name='difference',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='notes', to='payments.difference'),
        ),
        migrations.AddIndex(
            model_name='reconciliationrun',
            index=models.Index(fields=['provider', '-started_at'], name='payments_reconrun_newest'),
        ),
        migrations.AddConstraint(
            model_name='reconciliationrun',
            constraint=models.UniqueConstraint(condition=models.Q(('status', 'RUNNING')), fields=('provider',), name='payments_reconciliationrun_one'),
        ),
        migrations.AddConstraint(
            model_name='reconciliationrun',
            constraint=models.CheckConstraint(condition=models.Q(('ends_at__gt', models.F('starts_at'))), name='payments_reconciliationrun_window'),
        ),
        migrations.AddConstraint(
            model_name='reconciliationrun',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('finished_at__isnull', True), ('status', 'RUNNING')), models.Q(models.Q(('status', 'RUNNING'), _negated=True), ('finished_at__isnull', False)), _connector='OR'), name='payments_reconciliationrun_finished'),
        ),
        migrations.AddField(
            model_name='reconciliationday',
            name='run',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='days', to='payments.reconciliationrun'),
        ),
        migrations.AddIndex(
            model_name='difference',
            index=models.Index(fields=['provider', 'subject', 'kind', 'key', '-id'], name='payments_difference_key'),
        ),
        migrations.AddIndex(
            model_name='difference',
            index=models.Index(condition=models.Q(('status', 'OPEN')), fields=['provider', 'day'], name='payments_difference_open'),
        ),
        migrations.AddConstraint(
            model_name='difference',
            constraint=models.UniqueConstraint(condition=models.Q(('status', 'OPEN')), fields=('provider', 'subject', 'kind', 'key'), name='payments_difference_one_open'),
        ),
        migrations.AddConstraint(
            model_name='difference',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('closed_at__isnull', True), ('closing', ''), ('status', 'OPEN')), models.Q(('closed_at__isnull', False), ('status', 'CLOSED'), models.Q(('closing', ''), _negated=True)), _connector='OR'), name='payments_difference_closed'),
        ),
        migrations.AddConstraint(
            model_name='difference',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('approval__isnull', False), ('closing', 'ADJUSTED'), ('transaction__isnull', False)), models.Q(models.Q(('closing', 'ADJUSTED'), _negated=True), ('approval__isnull', True), ('transaction__isnull', True)), _connector='OR'), name='payments_difference_adjusted'),
        ),
        migrations.AddConstraint(
            model_name='difference',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('closing', 'EXPLAINED'), models.Q(('reason_code', ''), _negated=True)), models.Q(models.Q(('closing', 'EXPLAINED'), _negated=True), ('reason_code', '')), _connector='OR'), name='payments_difference_explained'),
        ),
        migrations.AddConstraint(
            model_name='difference',
            constraint=models.CheckConstraint(condition=models.Q(('ours__isnull', False), ('theirs__isnull', False), _connector='OR'), name='payments_difference_sides'),
        ),
        migrations.AddIndex(
            model_name='reconciliationday',
            index=models.Index(fields=['-day', 'provider', 'currency'], name='payments_reconday_newest'),
        ),
        migrations.AddConstraint(
            model_name='reconciliationday',
            constraint=models.UniqueConstraint(fields=('provider', 'day', 'currency'), name='payments_reconciliationday_once'),
        ),
        migrations.RunSQL(triggers_sql("payments_differencenote"), drop_triggers_sql("payments_differencenote")),
        migrations.RunSQL(SQL.read_text(), DROP),
    ]
