"""Whether the sources of exchange rates are set up, as a system check."""

from typing import Any

from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from payments.gateways.rates import registry


def register() -> None:
    """Let ``manage.py check`` run it."""
    checks.register(sources, "legato")


def sources(**_: Any) -> list[checks.CheckMessage]:
    """legato.E017: a source that does not exist, or lacks a setting."""
    try:
        registry.rate_provider()
    except ImproperlyConfigured as fault:
        hint = "RATE_PROVIDER=boc,cbn asks two central banks and needs nothing else"
        return [checks.Error(str(fault), hint=hint, id="legato.E017")]
    return []
