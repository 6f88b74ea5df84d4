"""What a gateway's own book says of an object beyond its amount, as far as we have booked it."""

from django.db import models


class GatewayFigures(models.Model):
    """Fees and conversions of a refund or dispute, which come once or in parts, early or late."""

    fees = models.JSONField(default=dict, help_text="Booked so far: micros by currency.")
    settled = models.JSONField(
        default=dict,
        help_text="What left our balance in another currency, booked so far: micros by currency.",
    )
    converted_micros = models.BigIntegerField(
        default=0, help_text="What that was of the amount, in the paid currency."
    )
    times_booked = models.PositiveIntegerField(default=0, help_text="Postings made for it.")

    class Meta:
        abstract = True
