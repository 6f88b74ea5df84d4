"""The admin site of the finance staff."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from csp.decorators import csp_update
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from legato_payments.backoffice import dashboard
from legato_payments.lib import clock
from legato_payments.lib.admin import AdminSite
from legato_payments.lib.pages import people

type View = Callable[..., HttpResponse]

relaxed: Any = csp_update(
    {"script-src": ["'self'", "'unsafe-eval'"], "style-src": ["'self'", "'unsafe-inline'"]}
)
"""What the theme's scripts need, on pages of the admin only; all else keeps the strict policy."""


class BackofficeSite(AdminSite):
    """Every admin page: task-ordered sidebar, landing page, and nothing edited in place."""

    site_header = "Legato Payments"
    site_title = "Legato Payments"
    index_title = "Overview"

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """Let staff in only, and tell those without the right to a page so, in words."""
        inner = super().admin_view(view, cacheable)

        @wraps(inner)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            people.forget()
            try:
                response: HttpResponse = inner(request, *args, **kwargs)
            except PermissionDenied:
                context = {**self.each_context(request), "title": "No access"}
                return TemplateResponse(request, "admin/no_access.html", context, status=403)
            return response

        view_of_staff: View = relaxed(guarded)
        return view_of_staff

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The login page, which ``admin_view`` does not wrap."""
        response: HttpResponse = relaxed(super().login)(request, extra_context)
        return response

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """The landing page, with the figures this person may see."""
        now = clock.now()
        figures = {
            "now": now,
            "cards": dashboard.cards(request.user, now=now),
            "sections": list(dashboard.tables(request.user, now=now)),
        }
        response: TemplateResponse = super().index(request, {**figures, **(extra_context or {})})
        return response
