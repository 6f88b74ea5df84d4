"""Wiring of the ``payments`` app."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class PaymentsConfig(AppConfig):
    name = "payments"

    def ready(self) -> None:
        """Register the webhook handlers, and renew the database rights after every migration."""
        from payments.ledger import roles
        from payments.webhooks import handlers  # noqa: F401

        post_migrate.connect(roles.grant, sender=self)
