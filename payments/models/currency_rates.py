"""Exchange rates, with their history."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from payments.enums import Currency


class CurrencyRate(models.Model):
    """How much of ``quote`` one ``base`` bought on a day, by one source. Never edited."""

    base = models.CharField(max_length=3, choices=Currency.choices)
    quote = models.CharField(max_length=3, choices=Currency.choices)
    rate = models.DecimalField(max_digits=24, decimal_places=12)
    as_of = models.DateField(help_text="The day the source gave it for.")
    source = models.CharField(max_length=24, help_text="fixed, file, manual, …")
    fetched_at = models.DateTimeField()
    created_by = models.CharField(max_length=80)
    reason = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(name="payments_currencyrate_positive", condition=Q(rate__gt=0)),
            models.CheckConstraint(
                name="payments_currencyrate_pair", condition=~Q(base=models.F("quote"))
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["base", "quote", "-as_of", "-id"], name="payments_currencyrate_newest"
            ),
        ]

    def __str__(self) -> str:
        return (
            f"1 {self.base} = {self.rate.normalize():f} {self.quote} ({self.as_of}, {self.source})"
        )
