"""Whether somebody computes taxes, as a system check."""

from typing import Any

from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from payments.enums import BOOK_CURRENCY
from payments.gateways.tax import registry


def register() -> None:
    """Let ``manage.py check`` run it."""
    checks.register(provider, "legato")


def provider(**_: Any) -> list[checks.CheckMessage]:
    """legato.E018: a tax provider that does not exist, or lacks a setting."""
    try:
        registry.tax_provider(BOOK_CURRENCY)
    except ImproperlyConfigured as fault:
        hint = "TAX_PROVIDER=rules goes by the table of rules and needs nothing else"
        return [checks.Error(str(fault), hint=hint, id="legato.E018")]
    return []
