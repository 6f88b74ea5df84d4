"""Payment methods that readers let us keep, and readers as gateways know them."""

import django.db.models.deletion
from django.db import migrations, models

import legato_payments.lib.crypto
import legato_payments.lib.ids


class Migration(migrations.Migration):
    dependencies = [
        ("payments", "0025_spends_of_losses"),
    ]

    operations = [
        migrations.CreateModel(
            name="MethodConsent",
            fields=[
                (
                    "purchase",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="method_consent",
                        serialize=False,
                        to="payments.purchase",
                    ),
                ),
                ("given_at", models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name="sandboxcharge",
            name="keeps_method",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="What pays it is kept for later payments.",
            ),
        ),
        migrations.AlterField(
            model_name="sandboxcharge",
            name="method",
            field=models.CharField(
                blank=True,
                default="",
                help_text="A test method, or a kept one's id.",
                max_length=40,
            ),
        ),
        migrations.CreateModel(
            name="GatewayCustomer",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=legato_payments.lib.ids.uuid7, primary_key=True, serialize=False
                    ),
                ),
                ("user_id", models.CharField(max_length=64)),
                (
                    "provider",
                    models.CharField(
                        choices=[
                            ("STRIPE", "Stripe"),
                            ("PAYSTACK", "Paystack"),
                            ("SANDBOX", "Sandbox"),
                        ],
                        max_length=8,
                    ),
                ),
                (
                    "email",
                    legato_payments.lib.crypto.EncryptedTextField(
                        help_text="Told at every try; later ones change nothing.", null=True
                    ),
                ),
                (
                    "customer_id",
                    legato_payments.lib.crypto.EncryptedTextField(
                        help_text="The gateway's; empty until it answered.", null=True
                    ),
                ),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("user_id", "provider"), name="payments_gatewaycustomer_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="SandboxMethod",
            fields=[
                ("id", models.CharField(max_length=40, primary_key=True, serialize=False)),
                (
                    "acts_as",
                    models.CharField(help_text="The test method it behaves as.", max_length=40),
                ),
                ("is_detached", models.BooleanField(default=False)),
                (
                    "charge",
                    models.OneToOneField(
                        help_text="What it first paid.",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="kept",
                        to="payments.sandboxcharge",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PaymentMethod",
            fields=[
                ("next_attempt_at", models.DateTimeField(blank=True, db_index=True, null=True)),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("locked_until", models.DateTimeField(blank=True, null=True)),
                (
                    "id",
                    models.UUIDField(
                        default=legato_payments.lib.ids.uuid7, primary_key=True, serialize=False
                    ),
                ),
                ("user_id", models.CharField(max_length=64)),
                (
                    "provider",
                    models.CharField(
                        choices=[
                            ("STRIPE", "Stripe"),
                            ("PAYSTACK", "Paystack"),
                            ("SANDBOX", "Sandbox"),
                        ],
                        max_length=8,
                    ),
                ),
                (
                    "token",
                    legato_payments.lib.crypto.EncryptedTextField(
                        help_text="The gateway's, to charge it with."
                    ),
                ),
                (
                    "token_index",
                    legato_payments.lib.crypto.BlindIndexField(max_length=16, of="token"),
                ),
                (
                    "customer_id",
                    legato_payments.lib.crypto.EncryptedTextField(
                        help_text="The gateway's, of the reader; may be empty."
                    ),
                ),
                (
                    "email",
                    legato_payments.lib.crypto.EncryptedTextField(
                        help_text="Some gateways charge it with this one alone.", null=True
                    ),
                ),
                ("kind", models.CharField(max_length=20)),
                ("brand", models.CharField(blank=True, default="", max_length=40)),
                ("last4", models.CharField(blank=True, default="", max_length=4)),
                (
                    "expires",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="YYYY-MM; empty for what does not expire.",
                        max_length=7,
                    ),
                ),
                ("consented_at", models.DateTimeField()),
                ("created_at", models.DateTimeField()),
                ("removed_at", models.DateTimeField(blank=True, null=True)),
                ("detached_at", models.DateTimeField(blank=True, null=True)),
                (
                    "purchase",
                    models.ForeignKey(
                        help_text="Paid with it, with the consent to keep it.",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="kept_methods",
                        to="payments.purchase",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["user_id", "-id"], name="payments_paymentmethod_user")
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("user_id", "provider", "token_index"),
                        name="payments_paymentmethod_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("detached_at__isnull", True),
                            ("removed_at__isnull", False),
                            _connector="OR",
                        ),
                        name="payments_paymentmethod_detached_after_removed",
                    ),
                ],
            },
        ),
    ]
