"""``manage.py sync_roles``: the groups of staff, as the table of roles says."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from legato_payments.backoffice import roles
from legato_payments.lib import clock


class Command(BaseCommand):
    """Run after ``migrate``; running it again changes nothing."""

    help = "Make the staff roles (groups) and give them the rights of the table of roles."

    def handle(self, *args: Any, **options: Any) -> None:
        """Say which roles changed."""
        try:
            changed = roles.sync(now=clock.now())
        except roles.RightUnknown as error:
            raise CommandError(f"No such right: {error}. Apply the migrations first.") from error
        self.stdout.write(f"Changed: {', '.join(changed) or 'nothing'}.")
