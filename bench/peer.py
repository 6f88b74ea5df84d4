"""django-hordak, the Django ledger of the package index: transfers of four legs on our server.

A process and a database of its own, with nothing of ours in its settings: its migrations do not go
through a second connection, as ours do. ``python -m bench.peer SECONDS`` prints transfers a second.
"""

import importlib.util
import random
import subprocess
import sys
import time

PAIRS = 200
"""Accounts on each side; it stores no balances, so that transfers do not meet."""

DATABASE = "peer"


def is_installed() -> bool:
    """Whether the peer can be measured here; ``make bench`` installs it."""
    return importlib.util.find_spec("hordak") is not None


def run(seconds: float) -> float:
    """Transfers per second of one process."""
    command = [sys.executable, "-m", "bench.peer", str(seconds)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _set_up() -> None:
    import django
    from django.conf import settings

    from legato_payments.local import paths, servers

    settings.configure(
        INSTALLED_APPS=["django.contrib.contenttypes", "mptt", "djmoney", "hordak"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": DATABASE,
                "USER": servers.SUPERUSER,
                "HOST": str(paths.run_dir() / "pg"),
                "OPTIONS": {"server_side_binding": True, "prepare_threshold": 3},
            }
        },
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        DEFAULT_CURRENCY="USD",
        CURRENCIES=["USD"],
        USE_TZ=True,
    )
    django.setup()


def _prepare() -> None:
    from bench import server

    with server.superuser() as connection:
        query = "SELECT FROM pg_database WHERE datname = %s"
        if connection.execute(query, [DATABASE]).fetchone() is not None:
            return
        connection.execute(f"CREATE DATABASE {DATABASE}")
    from django.core.management import call_command
    from hordak.models import Account

    call_command("migrate", interactive=False, verbosity=0)
    for number in range(2 * PAIRS):
        Account(name=f"a{number}", code=str(number), type="AS", currencies=["USD"]).save()


def _transfer() -> None:
    from django.db.transaction import atomic
    from djmoney.money import Money
    from hordak.models import Leg, Transaction

    first = random.randint(1, PAIRS - 1)
    with atomic():
        row = Transaction.objects.create(description="spend")
        Leg.objects.bulk_create(
            [
                Leg(transaction=row, account_id=first, debit=Money(5, "USD")),
                Leg(transaction=row, account_id=first + PAIRS, credit=Money(5, "USD")),
                Leg(transaction=row, account_id=first + 1, debit=Money(3, "USD")),
                Leg(transaction=row, account_id=first + PAIRS + 1, credit=Money(3, "USD")),
            ]
        )


def _main(seconds: float) -> None:
    _set_up()
    _prepare()
    for _ in range(20):
        _transfer()
    began = time.monotonic()
    done = 0
    while (elapsed := time.monotonic() - began) < seconds:
        _transfer()
        done += 1
    print(done / elapsed)


if __name__ == "__main__":
    _main(float(sys.argv[1]))
