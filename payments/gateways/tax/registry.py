"""Who computes the tax of a sale: ``TAX_PROVIDER``."""

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from payments.enums import Currency
from payments.gateways.tax.base import TaxProvider
from payments.gateways.tax.rules import RulesTax
from payments.gateways.tax.stripe import StripeTax

BY_STRIPE = frozenset({Currency.USD, Currency.CAD})
"""What Stripe takes here; sales in naira go by our own rules whoever computes the others."""


def tax_provider(currency: str) -> TaxProvider:
    """Who computes the tax of a sale in ``currency``.

    Raises:
        ImproperlyConfigured: There is no such provider, or it lacks a setting.
    """
    match settings.TAX_PROVIDER:
        case "stripe_tax" if settings.STRIPE_SECRET_KEY:
            return StripeTax() if currency in BY_STRIPE else RulesTax()
        case "stripe_tax":
            raise ImproperlyConfigured("TAX_PROVIDER=stripe_tax needs STRIPE_SECRET_KEY.")
        case "rules":
            return RulesTax()
        case other:
            raise ImproperlyConfigured(f"TAX_PROVIDER={other}: choose rules or stripe_tax.")
