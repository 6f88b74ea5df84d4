"""``manage.py load_tax_rules``: the table of tax rules that comes with this version."""

from typing import Any

from django.core.management.base import BaseCommand

from legato_payments.lib import clock
from payments.services import tax_rules


class Command(BaseCommand):
    """Run after ``migrate``; running it again adds nothing."""

    help = "Add the tax rules of this version that are missing; what finance changed stays."

    def handle(self, *args: Any, **options: Any) -> None:
        """Say how many were missing."""
        self.stdout.write(f"Added: {tax_rules.load(now=clock.now())} rules.")
