"""Prints new keys as lines for the environment."""

import secrets
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from legato_payments.lib import keyring


class Command(BaseCommand):
    help = "Print new secrets, ready to paste into .env; nothing is stored or changed."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--number",
            type=int,
            default=1,
            help="number of the field key; to rotate, one more than the highest in FIELD_KEYS, "
            "and append the new key there after a comma (default: 1)",
        )

    def handle(self, *args: Any, number: int, **options: Any) -> None:
        line = f"{number}:{keyring.make_key()}"
        keyring.KeyRing.parse(line)
        self.stdout.write(f"SECRET_KEY={secrets.token_urlsafe(48)}")
        self.stdout.write(f"FIELD_KEYS={line}")
