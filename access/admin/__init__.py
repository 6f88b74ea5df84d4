"""The back office of ``access``. Django imports this module; it imports those that register."""

from access.admin import content, entitlements, tips

__all__ = ["content", "entitlements", "tips"]
