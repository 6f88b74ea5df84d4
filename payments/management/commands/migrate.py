"""``manage.py migrate``, as the owner of the tables: the application's role may not change them."""

from django.core.management.base import CommandParser
from django.core.management.commands import migrate


class Command(migrate.Command):
    """Django's own command, with ``--database owner`` as its default."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Everything as in Django, but for the default database."""
        super().add_arguments(parser)
        parser.set_defaults(database="owner")
