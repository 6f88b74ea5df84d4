"""Wiring of the ``revenue`` app."""

from django.apps import AppConfig


class RevenueConfig(AppConfig):
    name = "revenue"

    def ready(self) -> None:
        """Have the app's own books checked with the ledger."""
        from payments.ledger import invariants
        from revenue.queries.checks import CHECKS

        invariants.add(CHECKS)
