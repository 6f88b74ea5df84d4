"""Wiring of the ``payments`` app."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class PaymentsConfig(AppConfig):
    name = "payments"

    def ready(self) -> None:
        """Register handlers, gauges and checks, and renew the rights after every migration."""
        from legato_payments.lib import gauges
        from payments.gateways.rates import checks as rate_checks
        from payments.gateways.tax import checks as tax_checks
        from payments.ledger import roles
        from payments.queries.gauges import READINGS
        from payments.webhooks import handlers  # noqa: F401

        post_migrate.connect(roles.grant, sender=self)
        gauges.publish(READINGS)
        rate_checks.register()
        tax_checks.register()
