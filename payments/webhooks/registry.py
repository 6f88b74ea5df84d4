"""Which function handles which gateway event.

Each app registers its own handlers from ``AppConfig.ready``, so that ``payments`` never imports the
apps above it.
"""

from collections.abc import Callable
from datetime import datetime

from payments.gateways.values import EventKind
from payments.models import WebhookEvent

Handler = Callable[[WebhookEvent, datetime], None]

_handlers: dict[EventKind, Handler] = {}


def handles(*kinds: EventKind) -> Callable[[Handler], Handler]:
    """Register the decorated function for some kinds of events."""

    def register(handler: Handler) -> Handler:
        for kind in kinds:
            assert kind not in _handlers, f"two handlers for {kind}"
            _handlers[kind] = handler
        return handler

    return register


def handler_for(kind: str) -> Handler | None:
    """The function for one kind, if anybody wants it."""
    return _handlers.get(EventKind(kind))
