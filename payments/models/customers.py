"""People: readers' payment profiles, and the platform ids of staff."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from legato_payments.lib.crypto import EncryptedTextField
from payments.enums import Currency, Provider


class Customer(models.Model):
    """A reader's payment profile. The e-mail is encrypted at rest."""

    user_id = models.CharField(max_length=64, primary_key=True)
    country = models.CharField(max_length=2, default="", blank=True, help_text="ISO 3166-1.")
    region = models.CharField(max_length=3, default="", blank=True, help_text="ISO 3166-2 part.")
    currency = models.CharField(max_length=3, choices=Currency.choices, default=Currency.USD)
    birth_year = models.PositiveSmallIntegerField(null=True, blank=True)
    preferred_gateway = models.CharField(
        max_length=8, choices=Provider.choices, default="", blank=True
    )
    email = EncryptedTextField(null=True, blank=True)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="payments_customer_birth_year",
                condition=Q(birth_year__isnull=True)
                | Q(birth_year__gte=1900, birth_year__lte=2100),
            ),
        ]

    def __str__(self) -> str:
        return self.user_id


class StaffProfile(models.Model):
    """Links a staff login to the person's platform user id, so that nobody pays themselves."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="staff_profile"
    )
    platform_user_id = models.CharField(max_length=64, unique=True)

    def __str__(self) -> str:
        return f"{self.user} is {self.platform_user_id}"
