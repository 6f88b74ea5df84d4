"""Wiring of the ``access`` app."""

from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "access"

    def ready(self) -> None:
        """Have the app's own books checked with the ledger."""
        from access.queries.checks import CHECKS
        from payments.ledger import invariants

        invariants.add(CHECKS)
