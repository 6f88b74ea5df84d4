"""The back office of ``access``. Django imports this module; it imports those that register."""

from access.admin import content, disputes, entitlements, refunds, tips, trace

__all__ = ["content", "disputes", "entitlements", "refunds", "tips", "trace"]
