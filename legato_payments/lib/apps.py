"""Wiring of the library: checks, and the refusal to start an unsafe production."""

import structlog
from django.apps import AppConfig
from django.conf import settings


class LibConfig(AppConfig):
    name = "legato_payments.lib"
    label = "lib"

    def ready(self) -> None:
        """Configure logging, register the checks, and stop here when production is not safe."""
        from legato_payments.lib import checks, logging, metrics_hooks  # noqa: F401
        from legato_payments.lib.api import checks as api_checks
        from legato_payments.lib.api import field_forms  # noqa: F401

        # Django calls LOGGING_CONFIG only when LOGGING is not empty.
        if not structlog.is_configured():
            logging.configure(getattr(settings, "LOGGING", {}))
        checks.refuse_unsafe_production()
        api_checks.register()
