"""Exchange rates as people look them up."""

from django.db.models import QuerySet

from payments.enums import BOOK_CURRENCY
from payments.models import CurrencyRate


def newest() -> QuerySet[CurrencyRate]:
    """The newest rate from US dollars to each currency, however old."""
    rows = CurrencyRate.objects.filter(base=BOOK_CURRENCY)
    return rows.order_by("quote", "-as_of", "-id").distinct("quote")
