"""Readers: they belong to another service, so what leads on is their coins."""

from django.contrib import admin

from legato_payments.lib.pages import cells
from payments.models import CoinBalance, Dispute, PaymentMethod, Purchase, Refund


def link(user_id: str) -> str:
    """A reader, as a link to the coins, where there is a wallet yet. It takes a query: no list."""
    wallet = CoinBalance.objects.filter(user_id=user_id).first()
    return cells.link(wallet, user_id) if wallet else user_id


@admin.display(description="Reader")
def of_row(row: Purchase | PaymentMethod) -> str:
    """Whose it is."""
    return link(row.user_id)


@admin.display(description="Reader")
def of_purchase(row: Refund | Dispute) -> str:
    """Whose purchase it is about."""
    return link(row.purchase.user_id)
