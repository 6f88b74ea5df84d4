"""``manage.py seed``: what a fresh local stack needs to be tried out."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from access.models import Content
from access.services import catalogue
from legato_payments.lib import clock
from payments.gateways.rates.registry import rate_provider
from payments.services import currency_rates, tax_rules

STAFF = {
    "finance": ("legato-demo-finance", ["Finance manager"]),
    "approver": ("legato-demo-approver", ["Approver", "Finance manager"]),
}
"""Demo logins of a local stack with password and roles; ``make up`` prints them."""

SERIES = "harbour"

CHAPTERS = [
    ("The Harbour", {"writer-1": 10_000}, 1_850),
    ("The Ferry", {"writer-1": 10_000}, 2_100),
    ("The Lamp", {"writer-1": 10_000}, 1_990),
    ("The Storm", {"writer-1": 10_000}, 1_040),
    ("The Letter", {"writer-1": 6_000, "writer-2": 4_000}, 2_450),
]


class Command(BaseCommand):
    """Demo staff, exchange rates, tax rules and a short series; safe to run again."""

    help = "Create demo staff, exchange rates, tax rules and a short series for a local stack."

    def handle(self, *args: Any, **options: Any) -> None:
        """Make what is missing; refuse anywhere but on a local stack."""
        if not settings.GATEWAY_SANDBOX:
            raise CommandError("seed makes well-known logins: only where GATEWAY_SANDBOX is on.")
        now = clock.now()
        self._make_staff()
        currency_rates.refresh(provider=rate_provider(), now=now)
        tax_rules.load(now=now)
        self._make_series(now)
        self.stdout.write("Seeded: demo staff, exchange rates, tax rules, the series 'harbour'.")

    def _make_staff(self) -> None:
        call_command("sync_roles", stdout=self.stdout)
        for username, (password, roles) in STAFF.items():
            user = User.objects.filter(username=username).first()
            if user is None:
                user = User.objects.create_user(username, password=password, is_staff=True)
            # Stacks that were seeded before there were roles have superusers here.
            User.objects.filter(pk=user.pk).update(is_superuser=False)
            user.groups.add(*Group.objects.filter(name__in=roles))

    def _make_series(self, now: datetime) -> None:
        if Content.objects.filter(series_id=SERIES).exists():
            return
        catalogue.put(
            descriptions=[
                catalogue.Description(
                    content_id=f"{SERIES}-{position}",
                    title=title,
                    shares=shares,
                    word_count=words,
                    series_id=SERIES,
                    position=position,
                )
                for position, (title, shares, words) in enumerate(CHAPTERS, start=1)
            ],
            now=now,
        )
