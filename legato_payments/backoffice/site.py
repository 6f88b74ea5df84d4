"""The admin site of the finance staff."""

from collections.abc import Callable
from functools import partial
from typing import Any

from csp.decorators import csp_update
from django.http import HttpRequest

from legato_payments.lib.admin import AdminSite

# The theme evaluates expressions in attributes (Alpine.js) and writes inline styles. Only these
# pages get that; everything else keeps the strict policy.
_theme_policy = csp_update(
    {"script-src": ["'self'", "'unsafe-eval'"], "style-src": ["'self'", "'unsafe-inline'"]}
)


class BackofficeSite(AdminSite):
    """Every admin page: task-ordered sidebar, dashboard, and nothing edited in place."""

    site_header = "Legato Payments"
    site_title = "Legato Payments"
    index_title = "Overview"

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Callable[..., Any]:
        """A page of the site: for staff only, and with the policy that the theme needs."""
        return _theme_policy(super().admin_view(view, cacheable))

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The one page that strangers see."""
        return _theme_policy(partial(super().login, extra_context=extra_context))(request)
