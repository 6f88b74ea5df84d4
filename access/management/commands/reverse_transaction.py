"""``manage.py reverse_transaction``: take back one sale or tip."""

from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from access.services import reversals
from legato_payments.lib import clock
from legato_payments.lib.errors import DomainError


class Command(BaseCommand):
    """Undo a content purchase, a tip or a gateway fee by its mirror image in the ledger."""

    help = "Take back one content purchase, tip or gateway fee: coins, earnings and right."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which one, who and why."""
        parser.add_argument("transaction_id", type=UUID, help="Id of the sale, tip or fee.")
        parser.add_argument("--staff", required=True, help="Username of the person responsible.")
        parser.add_argument("--reason", required=True, help="Kept in the ledger and audit log.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Reverse, or say why not and exit with 1."""
        staff = get_user_model().objects.filter(
            username=options["staff"], is_staff=True, is_active=True
        )
        person = staff.first()
        if person is None:
            raise CommandError(f"{options['staff']} is not an active member of staff.")
        try:
            reversal_id = reversals.reverse(
                transaction_id=options["transaction_id"],
                actor=f"staff:{person.pk}",
                reason=options["reason"],
                now=clock.now(),
            )
        except DomainError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(str(reversal_id))
