"""The configured source of exchange rates."""

from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from payments.gateways.rates.base import RateProvider
from payments.gateways.rates.file import FileRates
from payments.gateways.rates.fixed import FixedRates


def rate_provider(code: str = "") -> RateProvider:
    """The source named ``code``, or the one of ``RATE_PROVIDER``.

    Raises:
        ImproperlyConfigured: There is no such source, or it lacks a setting.
    """
    match code or settings.RATE_PROVIDER:
        case "fixed":
            return FixedRates()
        case "file" if settings.RATE_FILE:
            return FileRates(Path(settings.RATE_FILE))
        case "file":
            raise ImproperlyConfigured(
                "RATE_PROVIDER=file needs RATE_FILE, the path of a CSV file."
            )
        case other:
            raise ImproperlyConfigured(f"RATE_PROVIDER={other}: choose fixed or file.")
