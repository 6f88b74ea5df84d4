"""An unsafe production does not start, and says all that is missing at once."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from legato_payments.lib import checks, keyring

ROOT = Path(__file__).resolve().parent.parent.parent

PRODUCTION = {"DJANGO_SETTINGS_MODULE": "legato_payments.settings.production"}
SAFE = {
    "SECRET_KEY": "m3Qz0pYt7Kc1Vb9Xn5Lw2Rf8Hd4Gs6JaUeIoPqTyMzNxBvCkZlWj",
    "FIELD_KEYS": f"1:{keyring.make_key()}",
    "ALLOWED_HOSTS": ["payments.example.com"],
    "GATEWAY_SANDBOX": False,
    "DEBUG": False,
    "JWT_JWKS_URL": "https://users.example.com/jwks.json",
    "JWT_SIGNING_KEY_FILE": None,
    "STRIPE_SECRET_KEY": "sk_live_0123456789",
    "STRIPE_WEBHOOK_SECRETS": ["whsec_0123456789"],
    "STRIPE_CHECKOUT": "hosted",
    "STRIPE_PUBLISHABLE_KEY": "",
    "PAYSTACK_SECRET_KEY": "sk_live_0123456789",
    "DATABASE_URL": "postgresql://legato_app@db/legato",
    "DATABASE_OWNER_URL": "postgresql://legato_owner@db/legato",
    "REDIS_URL": "redis://redis:6379/0",
}


@pytest.fixture
def production(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The settings of a production that may start."""
    monkeypatch.setattr(checks, "is_production", lambda: True)
    for name, value in SAFE.items():
        setattr(settings, name, value)
    return settings


def ids() -> list[str]:
    """The ids of what is wrong."""
    return [str(fault.id) for fault in checks.configuration()]


def test_a_safe_production_starts(production: Any) -> None:
    assert ids() == []
    checks.refuse_unsafe_production()


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("SECRET_KEY", "", "legato.E001"),
        ("SECRET_KEY", "short", "legato.E001"),
        ("SECRET_KEY", "x" * 60, "legato.E001"),
        ("SECRET_KEY", "django-insecure-" + "m3Qz0pYt7Kc1Vb9Xn5Lw2Rf8Hd4Gs6Ja", "legato.E001"),
        ("FIELD_KEYS", "", "legato.E002"),
        ("FIELD_KEYS", "1:c2hvcnQ=", "legato.E002"),
        ("ALLOWED_HOSTS", [], "legato.E003"),
        ("ALLOWED_HOSTS", ["a.example", "*"], "legato.E003"),
        ("GATEWAY_SANDBOX", True, "legato.E004"),
        ("DEBUG", True, "legato.E005"),
        ("JWT_JWKS_URL", "", "legato.E007"),
        ("STRIPE_WEBHOOK_SECRETS", [], "legato.E008"),
        ("STRIPE_WEBHOOK_SECRETS", [""], "legato.E008"),
        ("JWT_JWKS_URL", "http://users.example.com/jwks.json", "legato.E009"),
        ("JWT_SIGNING_KEY_FILE", Path("/key.pem"), "legato.E013"),
        ("DATABASE_URL", SAFE["DATABASE_OWNER_URL"], "legato.W001"),
        ("STRIPE_SECRET_KEY", "", "legato.W002"),
        ("PAYSTACK_SECRET_KEY", "", "legato.W002"),
        ("PAYSTACK_SECRET_KEY", "sk_test_0123456789", "legato.W003"),
        ("PAYSTACK_API_BASE", "http://127.0.0.1:9000", "legato.E014"),
        ("STRIPE_CHECKOUT", "elsewhere", "legato.E015"),
        ("STRIPE_CHECKOUT", "inline", "legato.E016"),
    ],
)
def test_each_fault_has_its_id(production: Any, name: str, value: object, fault: str) -> None:
    setattr(production, name, value)

    assert ids() == [fault]
    if ".W" in fault:
        checks.refuse_unsafe_production()
    else:
        with pytest.raises(ImproperlyConfigured, match=fault):
            checks.refuse_unsafe_production()


def test_a_web_process_need_not_know_the_owner(production: Any) -> None:
    production.DATABASE_OWNER_URL = production.DATABASE_URL

    assert ids() == []


def test_every_fault_says_what_to_do(production: Any) -> None:
    production.SECRET_KEY = production.FIELD_KEYS = production.JWT_JWKS_URL = ""
    production.ALLOWED_HOSTS = []

    faults = checks.configuration()

    assert len(faults) == 4
    assert all(fault.hint for fault in faults)
    assert "python manage.py make_secret" in str(faults[0].hint)


def test_other_environments_are_left_alone(settings: Any) -> None:
    settings.SECRET_KEY = settings.FIELD_KEYS = "x"

    assert ids() == []
    checks.refuse_unsafe_production()


def start(*code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A new Python under the production settings and nothing but the given variables."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, *code],
        cwd=ROOT,
        env={**kept, **PRODUCTION, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def environment() -> dict[str, str]:
    """What ``SAFE`` is as environment variables."""
    names = SAFE.keys() - {"JWT_SIGNING_KEY_FILE", "DEBUG", "GATEWAY_SANDBOX"}
    values = {name: SAFE[name] for name in names}
    return {name: ",".join(v) if isinstance(v, list) else str(v) for name, v in values.items()}


@pytest.mark.parametrize(
    "code",
    [
        ("-c", "import legato_payments.wsgi"),
        ("-m", "celery", "-A", "legato_payments", "worker", "--pool=solo"),
        ("-m", "celery", "-A", "legato_payments", "beat"),
        ("manage.py", "migrate", "--plan"),
    ],
    ids=["web", "worker", "beat", "manage.py"],
)
def test_nothing_starts_and_everything_missing_is_named(code: tuple[str, ...]) -> None:
    started = start(*code)

    assert started.returncode != 0
    for fault in ("E001", "E002", "E003", "E007", "E011", "E012"):
        assert f"legato.{fault}" in started.stderr
    assert "python manage.py make_secret" in started.stderr


def test_a_complete_environment_starts() -> None:
    started = start("-c", "import legato_payments.wsgi", **environment())

    assert started.returncode == 0, started.stderr


def test_optimised_python_is_refused() -> None:
    started = start("-O", "-c", "import legato_payments.wsgi", **environment())

    assert started.returncode != 0
    assert "legato.E006" in started.stderr


@pytest.mark.parametrize("command", ["make_secret", "collectstatic --dry-run --no-input", "help"])
def test_what_makes_a_production_works_without_one(command: str) -> None:
    started = start("manage.py", *command.split())

    assert started.returncode == 0, started.stderr


def test_check_lists_the_faults_itself() -> None:
    started = start("manage.py", "check")

    assert started.returncode == 1
    assert "(legato.E001)" in started.stderr
