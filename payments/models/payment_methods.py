"""Payment methods that readers let us keep, and readers as gateways know them."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from legato_payments.lib.crypto import BlindIndexField, EncryptedTextField
from legato_payments.lib.ids import uuid7
from legato_payments.lib.jobs import DueQuerySet, DueRow
from payments.enums import Provider


class GatewayCustomer(models.Model):
    """A reader at a gateway that keeps methods for customers; made before the first one is kept.

    The row is committed before the gateway is asked, and its id names the asking: a second try
    asks for the same customer.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    user_id = models.CharField(max_length=64)
    provider = models.CharField(max_length=8, choices=Provider.choices)
    email = EncryptedTextField(null=True, help_text="Told at every try; later ones change nothing.")
    customer_id = EncryptedTextField(null=True, help_text="The gateway's; empty until it answered.")
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="payments_gatewaycustomer_once", fields=["user_id", "provider"]
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} at {self.provider}"


class PaymentMethodQuerySet(DueQuerySet["PaymentMethod"]):
    """Payment methods, in the words of the domain."""

    def kept(self) -> "PaymentMethodQuerySet":
        """Those that can be charged."""
        return self.filter(removed_at__isnull=True)


class PaymentMethod(DueRow):
    """A card or the like that a gateway keeps for a reader, with the reader's consent.

    Kept -> removed (never charged from then on) -> detached (the gateway forgot it too). It is due
    while it is removed and not detached. Only ``payments.services.payment_methods`` changes it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    user_id = models.CharField(max_length=64)
    provider = models.CharField(max_length=8, choices=Provider.choices)
    token = EncryptedTextField(help_text="The gateway's, to charge it with.")
    token_index = BlindIndexField(of="token", editable=False)
    customer_id = EncryptedTextField(help_text="The gateway's, of the reader; may be empty.")
    email = EncryptedTextField(null=True, help_text="Some gateways charge it with this one alone.")
    kind = models.CharField(max_length=20)
    brand = models.CharField(max_length=40, default="", blank=True)
    last4 = models.CharField(max_length=4, default="", blank=True)
    expires = models.CharField(
        max_length=7, default="", blank=True, help_text="YYYY-MM; empty for what does not expire."
    )
    purchase = models.ForeignKey(
        "payments.Purchase",
        models.PROTECT,
        related_name="kept_methods",
        help_text="Paid with it, with the consent to keep it.",
    )
    consented_at = models.DateTimeField()
    created_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True, blank=True)
    detached_at = models.DateTimeField(null=True, blank=True)

    objects = PaymentMethodQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="payments_paymentmethod_once", fields=["user_id", "provider", "token_index"]
            ),
            models.CheckConstraint(
                name="payments_paymentmethod_detached_after_removed",
                condition=Q(detached_at__isnull=True) | Q(removed_at__isnull=False),
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["user_id", "-id"], name="payments_paymentmethod_user"),
        ]

    def __str__(self) -> str:
        return " ".join(filter(None, [self.brand or self.kind, self.last4]))


class MethodConsent(models.Model):
    """The reader of a purchase agreed that the method it is paid with is kept."""

    purchase = models.OneToOneField(
        "payments.Purchase", models.PROTECT, primary_key=True, related_name="method_consent"
    )
    given_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"Consent with {self.purchase_id}"
