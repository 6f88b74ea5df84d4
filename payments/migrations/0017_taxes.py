"""Tax rules and registrations, the tax lines of a purchase, and where its reader is."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0016_dispute_inquiry'),
    ]

    operations = [
        migrations.AddField(
            model_name='purchase',
            name='evidence',
            field=models.JSONField(blank=True, default=list, help_text='Where the reader is, by source: profile, request, …'),
        ),
        migrations.AddField(
            model_name='purchase',
            name='evidence_conflicts',
            field=models.BooleanField(default=False, help_text='Two sources name different places.'),
        ),
        migrations.AddField(
            model_name='purchase',
            name='region',
            field=models.CharField(blank=True, default='', help_text='ISO 3166-2 part.', max_length=3),
        ),
        migrations.AddField(
            model_name='purchase',
            name='tax_ground',
            field=models.CharField(choices=[('TAXED', 'Taxed'), ('NOT_REGISTERED', 'We are not registered where the reader is'), ('NOT_TAXABLE', 'Nothing is due where the reader is')], default='NOT_REGISTERED', max_length=14),
        ),
        migrations.AddField(
            model_name='purchase',
            name='tax_reference',
            field=models.CharField(blank=True, default='', help_text='Of the calculation at a tax service.', max_length=64),
        ),
        migrations.CreateModel(
            name='TaxRegistration',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('jurisdiction', models.CharField(help_text='Of the office: CA, CA-QC, NG.', max_length=6)),
                ('is_registered', models.BooleanField(default=True)),
                ('number', models.CharField(blank=True, default='', help_text='On receipts.', max_length=40)),
                ('is_inclusive', models.BooleanField(default=False, help_text='Prices there have the tax in them.')),
                ('valid_from', models.DateField()),
                ('created_at', models.DateTimeField()),
                ('created_by', models.CharField(max_length=80)),
                ('reason', models.CharField(blank=True, default='', max_length=200)),
            ],
            options={
                'indexes': [models.Index(fields=['jurisdiction', '-valid_from', '-id'], name='payments_taxregistr_newest')],
                'constraints': [models.CheckConstraint(condition=models.Q(('is_registered', False), models.Q(('number', ''), _negated=True), _connector='OR'), name='payments_taxregistration_has_number')],
            },
        ),
        migrations.CreateModel(
            name='TaxRule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(help_text='Names the line: CA-R-QST.', max_length=40)),
                ('jurisdiction', models.CharField(help_text='Where it holds: a country, or a part of one (CA-QC).', max_length=6)),
                ('owed_to', models.CharField(help_text="Whose tax office; a province's GST is owed to CA.", max_length=6)),
                ('subject', models.CharField(choices=[('READER', "Readers"), ('WRITER', 'Writers')], max_length=6)),
                ('kind', models.CharField(choices=[('COLLECT', 'Collect'), ('WITHHOLD', 'Withhold'), ('REPORT', 'Report'), ('REGISTER', 'Register')], max_length=8)),
                ('payer', models.CharField(choices=[('ENTITY', 'A company of the place'), ('SMALL_ENTITY', 'A small company of the place'), ('SETTLEMENT_ORGANIZATION', 'Who settles for others'), ('PLATFORM', 'A platform for sellers'), ('REGISTERED', 'Who is registered'), ('NON_RESIDENT', 'Who sells from abroad'), ('SMALL_RESIDENT', 'Who is small and of the place'), ('NEXUS', 'Who sells enough there'), ('ANY_SUPPLIER', 'Every supplier')], max_length=24)),
                ('payee_residence', models.CharField(blank=True, choices=[('RESIDENT', 'Of the place'), ('NON_RESIDENT', 'From abroad')], default='', max_length=12)),
                ('payee_country', models.CharField(blank=True, default='', max_length=2)),
                ('payee_type', models.CharField(blank=True, choices=[('INDIVIDUAL', 'A person'), ('COMPANY', 'A company')], default='', max_length=10)),
                ('form_on_file', models.CharField(blank=True, choices=[('W-9', 'W-9'), ('W-8BEN', 'W-8BEN'), ('NR301', 'NR301'), ('NONE', 'None at all')], default='', max_length=8)),
                ('has_tax_number', models.BooleanField(blank=True, null=True)),
                ('item', models.CharField(blank=True, choices=[('DIGITAL_CONTENT', 'Digital content'), ('ROYALTY', 'Royalties of any kind'), ('ROYALTY_COPYRIGHT', 'Royalties on literary copyright'), ('ROYALTY_OTHER', 'Other royalties'), ('SERVICE_FEE', 'Fees for services'), ('PRIZE', 'Prizes'), ('BONUS', 'Bonuses'), ('RENT', 'Rent'), ('MARKS_LICENCE', 'Licences of marks'), ('THIRD_PARTY_PAYMENT', 'Payments settled for others'), ('PERSONAL_SERVICE', 'Personal services of sellers')], default='', max_length=24)),
                ('domestic_source_only', models.BooleanField(default=False, help_text='Only what readers in the place paid.')),
                ('tax_name', models.CharField(blank=True, default='', help_text='On receipts.', max_length=16)),
                ('rate_ppm', models.PositiveIntegerField(blank=True, help_text='Millionths.', null=True)),
                ('multiplier', models.PositiveSmallIntegerField(blank=True, help_text='Multiplies the rate that applies otherwise.', null=True)),
                ('threshold_micros', models.BigIntegerField(blank=True, null=True)),
                ('threshold_currency', models.CharField(blank=True, default='', max_length=3)),
                ('threshold_basis', models.CharField(blank=True, choices=[('ANY_AMOUNT', 'Any amount above it'), ('CALENDAR_YEAR', 'A calendar year'), ('CALENDAR_YEAR_GTE', 'Reached in a calendar year'), ('CALENDAR_YEAR_GTE_OR_WITHHELD', 'Reached in a calendar year, or tax was withheld'), ('CALENDAR_YEAR_GT_200_PAYMENTS', 'Passed in a calendar year, in more than 200 payments'), ('TWELVE_MONTHS_GT', 'Passed in any twelve months'), ('TURNOVER_GT', 'Passed by the turnover'), ('TURNOVER_LTE', 'Not passed by the turnover'), ('MONTH_LTE', 'Not passed in a month')], default='', max_length=32)),
                ('form', models.CharField(blank=True, default='', help_text='What is filed.', max_length=80)),
                ('effective_from', models.DateField()),
                ('effective_to', models.DateField(blank=True, help_text='The last day.', null=True)),
                ('is_active', models.BooleanField(default=True)),
                ('certainty', models.CharField(choices=[('H', 'High'), ('M', 'Medium'), ('L', 'Low')], max_length=1)),
                ('source', models.CharField(max_length=300)),
                ('note', models.CharField(blank=True, default='', max_length=500)),
                ('created_at', models.DateTimeField()),
                ('created_by', models.CharField(max_length=80)),
                ('reason', models.CharField(blank=True, default='', max_length=200)),
            ],
            options={
                'indexes': [models.Index(fields=['code', '-effective_from', '-id'], name='payments_taxrule_newest')],
                'constraints': [models.CheckConstraint(condition=models.Q(('rate_ppm__isnull', True), ('rate_ppm__lte', 1000000), _connector='OR'), name='payments_taxrule_rate'), models.CheckConstraint(condition=models.Q(('is_active', False), ('kind__in', ['REPORT', 'REGISTER']), ('rate_ppm__isnull', False), models.Q(('kind', 'WITHHOLD'), ('multiplier__isnull', False)), _connector='OR'), name='payments_taxrule_active_has_rate'), models.CheckConstraint(condition=models.Q(models.Q(('kind', 'COLLECT'), _negated=True), models.Q(('tax_name', ''), _negated=True), _connector='OR'), name='payments_taxrule_collected_has_name'), models.CheckConstraint(condition=models.Q(models.Q(('threshold_currency', ''), ('threshold_micros__isnull', True)), models.Q(('threshold_micros__gte', 0), models.Q(('threshold_currency', ''), _negated=True), models.Q(('threshold_basis', ''), _negated=True)), _connector='OR'), name='payments_taxrule_threshold'), models.CheckConstraint(condition=models.Q(('effective_to__isnull', True), ('effective_to__gte', models.F('effective_from')), _connector='OR'), name='payments_taxrule_days')],
            },
        ),
        migrations.CreateModel(
            name='PurchaseTaxLine',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('jurisdiction', models.CharField(help_text='Whose tax office.', max_length=6)),
                ('name', models.CharField(max_length=16)),
                ('rate_ppm', models.PositiveIntegerField()),
                ('amount_micros', models.BigIntegerField(help_text='In the currency of the purchase.')),
                ('currency', models.CharField(choices=[('USD', 'US dollar'), ('CAD', 'Canadian dollar'), ('NGN', 'Nigerian naira')], max_length=3)),
                ('is_inclusive', models.BooleanField(help_text='The shown price had it in it.')),
                ('number', models.CharField(blank=True, default='', help_text='Ours, there.', max_length=40)),
                ('purchase', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='tax_lines', to='payments.purchase')),
                ('rule', models.ForeignKey(blank=True, help_text='Empty: a service computed it.', null=True, on_delete=django.db.models.deletion.PROTECT, to='payments.taxrule')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('purchase', 'jurisdiction', 'name'), name='payments_purchasetaxline_once'), models.CheckConstraint(condition=models.Q(('amount_micros__gte', 0)), name='payments_purchasetaxline_amount')],
            },
        ),
    ]
