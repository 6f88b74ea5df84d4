"""The configured source of exchange rates."""

from collections.abc import Callable, Mapping
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from payments.gateways.rates.base import RateProvider
from payments.gateways.rates.boc import BocRates
from payments.gateways.rates.cbn import CbnRates
from payments.gateways.rates.ecb import EcbRates
from payments.gateways.rates.file import FileRates
from payments.gateways.rates.fixed import FixedRates
from payments.gateways.rates.frankfurter import FrankfurterRates
from payments.gateways.rates.openexchangerates import OpenExchangeRates
from payments.gateways.rates.several import SeveralRates


def rate_provider(codes: str = "") -> RateProvider:
    """The source named ``codes``, or the one of ``RATE_PROVIDER``.

    Args:
        codes: One name, or several by comma, the preferred one first.

    Raises:
        ImproperlyConfigured: There is no such source, or it lacks a setting.
    """
    names = [name.strip() for name in (codes or settings.RATE_PROVIDER).split(",")]
    if len(set(names)) != len(names):
        raise ImproperlyConfigured(f"RATE_PROVIDER={','.join(names)}: a source stands there twice.")
    sources = [_source(name) for name in names]
    return sources[0] if len(sources) == 1 else SeveralRates(sources)


def _source(code: str) -> RateProvider:
    if code not in _MAKERS:
        raise ImproperlyConfigured(f"RATE_PROVIDER={code}: choose of {', '.join(SOURCES)}.")
    return _MAKERS[code]()


def _file() -> FileRates:
    return FileRates(Path(_needed("file", "RATE_FILE", "the path of a CSV file")))


def _openexchangerates() -> OpenExchangeRates:
    return OpenExchangeRates(_needed("openexchangerates", "OPENEXCHANGERATES_APP_ID", "the key"))


def _needed(code: str, setting: str, meaning: str) -> str:
    value = str(getattr(settings, setting))
    if not value:
        raise ImproperlyConfigured(f"RATE_PROVIDER={code} needs {setting}, {meaning}.")
    return value


_MAKERS: Mapping[str, Callable[[], RateProvider]] = {
    "fixed": FixedRates,
    "file": _file,
    "ecb": EcbRates,
    "boc": BocRates,
    "cbn": CbnRates,
    "frankfurter": FrankfurterRates,
    "openexchangerates": _openexchangerates,
}

SOURCES = tuple(_MAKERS)
"""What ``RATE_PROVIDER`` may name."""
