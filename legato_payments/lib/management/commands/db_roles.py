"""Makes the three database roles: owner, application, reports."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from legato_payments.lib import db_roles


class Command(BaseCommand):
    help = (
        "Make or repair the database roles legato_owner, legato_app and legato_read. Connects with "
        "DATABASE_OWNER_URL, which must name a superuser (or CREATEROLE and the database's owner). "
        "Rights on tables come with `migrate`. Safe to run again."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--create", action="store_true", help="make the roles")
        parser.add_argument(
            "--dry-run", action="store_true", help="print the SQL instead of running it"
        )

    def handle(self, *args: Any, create: bool, dry_run: bool, **options: Any) -> None:
        if not create and not dry_run:
            raise CommandError("say --create, or --dry-run to see the SQL", returncode=2)
        connection = connections["owner"]
        database = str(connection.settings_dict["NAME"])
        if dry_run:
            for statement in db_roles.statements(database=database):
                self.stdout.write(f"{statement.as_string().strip()};")
            return
        connection.ensure_connection()
        db_roles.apply(connection.connection, database=database)
        names = ", ".join(db_roles.ROLE_SETTINGS)
        self.stdout.write(f"{names}: ready on {database}. Give them passwords with ALTER ROLE.")
