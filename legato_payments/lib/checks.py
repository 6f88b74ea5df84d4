"""What must be right before the service runs, as system checks with stable ids.

``manage.py check`` lists them. A production process does not even start (wsgi, Celery and commands
alike) and says all that is missing at once.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from legato_payments.lib.keyring import BadKeyRing, KeyRing
from legato_payments.local import paths

TAG = "legato"
_MAKE_IT = "Paste a line that this prints: python manage.py make_secret"
MIN_SECRET_KEY = 50
"""Characters; Django's own ``security.W009`` asks for as many."""

_HARMLESS_COMMANDS = frozenset(
    {"make_secret", "check", "collectstatic", "help", "--help", "-h", "version", "--version"}
)
"""What runs without a complete production: it makes the settings, or the image."""


def is_production() -> bool:
    """Whether the settings module is the production one."""
    return (settings.SETTINGS_MODULE or "").endswith(".production")


def refuse_unsafe_production() -> None:
    """Stop a production process that lacks a setting or has an unsafe one.

    Raises:
        ImproperlyConfigured: Lists every fault with the line that would mend it.
    """
    if not is_production() or _is_harmless_command(sys.argv):
        return
    faults = [fault for fault in _all_faults() if fault.is_serious()]
    if faults:
        lines = [f"\n  {fault.id} {fault.msg}\n      {fault.hint}" for fault in faults]
        raise ImproperlyConfigured(
            f"Legato Payments does not start, {len(faults)} settings are wrong:{''.join(lines)}"
        )


@checks.register(TAG)
def configuration(**_: Any) -> list[checks.CheckMessage]:
    """Every fault of the configuration; most matter in production only."""
    if is_production():
        return list(_all_faults())
    return [*_assertions(), *_roles(), *_payment_page()]


def _all_faults() -> Iterator[checks.CheckMessage]:
    yield from _secret_key()
    yield from _field_keys()
    yield from _hosts()
    yield from _gateways()
    yield from _debug()
    yield from _assertions()
    yield from _tokens()
    yield from _servers()
    yield from _roles()


def _secret_key() -> Iterator[checks.CheckMessage]:
    try:
        key = settings.SECRET_KEY
    except ImproperlyConfigured:  # Django's own refusal of an empty one
        key = ""
    if len(key) < MIN_SECRET_KEY or len(set(key)) < 5 or key.startswith("django-insecure"):
        what = "is not set" if not key else "is short, guessable or a default"
        yield checks.Error(f"SECRET_KEY {what}.", hint=_MAKE_IT, id="legato.E001")


def _field_keys() -> Iterator[checks.CheckMessage]:
    try:
        KeyRing.parse(settings.FIELD_KEYS)
    except BadKeyRing as error:
        yield checks.Error(f"{error}.", hint=_MAKE_IT, id="legato.E002")


def _hosts() -> Iterator[checks.CheckMessage]:
    if not settings.ALLOWED_HOSTS or "*" in settings.ALLOWED_HOSTS:
        yield checks.Error(
            "ALLOWED_HOSTS is empty or lets every host in.",
            hint="Name the hosts: ALLOWED_HOSTS=payments.example.com",
            id="legato.E003",
        )


def _gateways() -> Iterator[checks.CheckMessage]:
    if settings.GATEWAY_SANDBOX:
        yield checks.Error(
            "GATEWAY_SANDBOX is on: anybody could buy coins without paying.",
            hint="Remove the line, or: GATEWAY_SANDBOX=false",
            id="legato.E004",
        )
    # Whoever knows an empty secret can tell us that they paid.
    if settings.STRIPE_SECRET_KEY and not all(settings.STRIPE_WEBHOOK_SECRETS or [""]):
        yield checks.Error(
            "STRIPE_WEBHOOK_SECRETS is not set, but STRIPE_SECRET_KEY is.",
            hint="Copy it from Stripe's webhook page: STRIPE_WEBHOOK_SECRETS=whsec_…",
            id="legato.E008",
        )
    for name in ("STRIPE_API_BASE", "PAYSTACK_API_BASE"):
        if not getattr(settings, name).startswith("https://"):
            yield checks.Error(
                f"{name} is not https: whoever sits in between could read the key and answer.",
                hint=f"Remove the line {name}=…",
                id="legato.E014",
            )
    yield from _payment_page()
    yield from _takers()


def _payment_page() -> Iterator[checks.CheckMessage]:
    if settings.STRIPE_CHECKOUT not in ("hosted", "inline"):
        yield checks.Error(
            f"STRIPE_CHECKOUT is {settings.STRIPE_CHECKOUT!r}.",
            hint="STRIPE_CHECKOUT=hosted or STRIPE_CHECKOUT=inline",
            id="legato.E015",
        )
    elif settings.STRIPE_CHECKOUT == "inline" and not settings.STRIPE_PUBLISHABLE_KEY:
        yield checks.Error(
            "STRIPE_CHECKOUT is inline, and browsers get no key to pay with.",
            hint="STRIPE_PUBLISHABLE_KEY=pk_…, or STRIPE_CHECKOUT=hosted",
            id="legato.E016",
        )


def _takers() -> Iterator[checks.CheckMessage]:
    keys = {
        "USD and CAD": ("STRIPE_SECRET_KEY", settings.STRIPE_SECRET_KEY),
        "NGN": ("PAYSTACK_SECRET_KEY", settings.PAYSTACK_SECRET_KEY),
    }
    for currencies, (name, key) in keys.items():
        if not key:
            yield checks.Warning(
                f"Nobody can buy coins for {currencies}: {name} is not set.",
                hint=f"{name}=sk_live_…",
                id="legato.W002",
            )
        elif "_test_" in key:
            yield checks.Warning(
                f"{name} is a test key: nobody really pays.",
                hint=f"{name}=sk_live_…",
                id="legato.W003",
            )


def _debug() -> Iterator[checks.CheckMessage]:
    if settings.DEBUG:
        yield checks.Error(
            "DEBUG is on: error pages would show settings and data.",
            hint="Remove the line, or: DEBUG=false",
            id="legato.E005",
        )


def _assertions() -> Iterator[checks.CheckMessage]:
    if sys.flags.optimize:
        yield checks.Error(
            "Python runs with -O, which removes the assertions that guard the books.",
            hint="Start it without -O, and unset PYTHONOPTIMIZE.",
            id="legato.E006",
        )


def _tokens() -> Iterator[checks.CheckMessage]:
    jwks_url = settings.JWT_JWKS_URL
    if not jwks_url and not settings.JWT_PUBLIC_KEYS:
        yield checks.Error(
            "No key to verify the platform's tokens with.",
            hint="JWT_JWKS_URL=https://…/.well-known/jwks.json, or PEM keys in JWT_PUBLIC_KEYS",
            id="legato.E007",
        )
    if jwks_url and not jwks_url.startswith("https://"):
        yield checks.Error(
            "JWT_JWKS_URL is not https: whoever sits in between could sign tokens.",
            hint="JWT_JWKS_URL=https://…",
            id="legato.E009",
        )
    if settings.JWT_SIGNING_KEY_FILE:
        yield checks.Error(
            "JWT_SIGNING_KEY_FILE is set: this service would make its own tokens.",
            hint="Only the local and test settings set it.",
            id="legato.E013",
        )


def _servers() -> Iterator[checks.CheckMessage]:
    # The defaults name the embedded servers of one machine, which production does not start.
    if paths.database_url(paths.APP_ROLE) == settings.DATABASE_URL:
        yield checks.Error(
            "DATABASE_URL is not set.",
            hint="DATABASE_URL=postgresql://legato_app:…@host:5432/legato",
            id="legato.E011",
        )
    if paths.redis_url() == settings.REDIS_URL:
        yield checks.Error(
            "REDIS_URL is not set.",
            hint="REDIS_URL=rediss://:…@host:6379/0",
            id="legato.E012",
        )


def _roles() -> Iterator[checks.CheckMessage]:
    # A web process need not know the owner's address; then both are the application's.
    is_single = settings.DATABASE_OWNER_URL == settings.DATABASE_URL
    if is_single and urlsplit(settings.DATABASE_URL).username != paths.APP_ROLE:
        yield checks.Warning(
            "The application connects as the owner of its tables, who could disable the triggers "
            "that keep the books append-only.",
            hint="python manage.py db_roles --create, then let DATABASE_URL name legato_app and "
            "DATABASE_OWNER_URL legato_owner",
            id="legato.W001",
        )


def _is_harmless_command(argv: list[str]) -> bool:
    is_manage = Path(argv[0]).name in {"manage.py", "django-admin", "__main__.py"}
    return is_manage and (len(argv) == 1 or argv[1] in _HARMLESS_COMMANDS)
