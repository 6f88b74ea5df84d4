"""What the theme asks for by name (``settings.UNFOLD``): our files, and where this is running."""

from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static


def style(_request: HttpRequest) -> str:
    """Our style sheet."""
    return static("backoffice/backoffice.css")


def script(_request: HttpRequest) -> str:
    """Our script."""
    return static("backoffice/backoffice.js")


def favicon(_request: HttpRequest) -> str:
    """Our icon; without one, browsers ask for /favicon.ico."""
    return static("backoffice/favicon.svg")


def environment(_request: HttpRequest) -> list[str] | None:
    """A label on every page where no real money moves."""
    return ["Sandbox", "warning"] if settings.GATEWAY_SANDBOX else None
