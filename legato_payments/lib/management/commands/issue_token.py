"""Prints a bearer token, to try the API out on one's own machine."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from legato_payments.lib.api import tokens
from legato_payments.lib.api.auth import SERVICE_PREFIX, InvalidToken, verify
from legato_payments.lib.api.keys import KeysUnavailable

MAX_LIFETIME_SECONDS = 365 * 24 * 3600


class Command(BaseCommand):
    help = (
        "Print a bearer token signed with the local key, for example --user reader-1, "
        "--user writer-1 --role writer, or --service content-service --scope catalog:write. "
        "Refused where there is no local key, as in production."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        subject = parser.add_mutually_exclusive_group(required=True)
        subject.add_argument("--user", metavar="ID", help="the user's id")
        subject.add_argument("--service", metavar="NAME", help="the service's name")
        parser.add_argument("--role", action="append", default=[], help="may be repeated")
        parser.add_argument("--scope", action="append", default=[], help="may be repeated")
        parser.add_argument("--email", help="the user's e-mail address")
        parser.add_argument("--act", metavar="ID", help="the user the service acts for")
        parser.add_argument(
            "--lifetime",
            type=int,
            default=tokens.DEFAULT_LIFETIME_SECONDS,
            metavar="SECONDS",
            help=f"{tokens.DEFAULT_LIFETIME_SECONDS} unless given",
        )

    def handle(
        self,
        *args: Any,
        user: str | None,
        service: str | None,
        role: list[str],
        scope: list[str],
        email: str | None,
        act: str | None,
        lifetime: int,
        **options: Any,
    ) -> None:
        """Print the token and nothing else, once it is sure that the API would take it."""
        if not 0 < lifetime <= MAX_LIFETIME_SECONDS:
            raise CommandError(f"--lifetime is 1 to {MAX_LIFETIME_SECONDS} seconds", returncode=2)
        if act and not service:
            raise CommandError("--act goes with --service: users act for themselves", returncode=2)
        try:
            token = tokens.issue(
                f"{SERVICE_PREFIX}{service}" if service else (user or ""),
                roles=role,
                scopes=scope,
                email=email,
                act=act,
                lifetime_seconds=lifetime,
            )
            verify(token)
        except (ImproperlyConfigured, InvalidToken, KeysUnavailable) as error:
            raise CommandError(f"No token was issued. {error}") from error
        self.stdout.write(token)
