"""GET /events: what happened, in order, for other services."""

import re
import threading
import time
from typing import Any

from django.db import connection
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from legato_payments.lib.api.fields import (
    BIGINT_MAX,
    QueryIntegerField,
    UtcDateTimeField,
    UuidField,
)
from legato_payments.lib.api.permissions import Service
from legato_payments.lib.api.serializers import StrictSerializer
from legato_payments.lib.api.views import ApiViewSet
from payments.models import OutboxEvent
from payments.queries import events

DEFAULT_LIMIT = 100
MAX_LIMIT = 1_000
MAX_WAIT_SECONDS = 20
"""Below every time-out between a reader and us."""

POLL_SECONDS = 0.5
"""How soon a waiting reader hears of what was published."""

MAX_WAITING = 2
"""Readers that wait, per process: each keeps one of its few threads from other requests."""

_places = threading.BoundedSemaphore(MAX_WAITING)


class SequenceField(QueryIntegerField):
    """A sequence number of a query string, with or without the zeros that events write it with."""

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, str) or not re.fullmatch(r"[0-9]{1,19}", data):
            self.fail("invalid")
        return int(data)


class EventsQuery(StrictSerializer):
    """From where, how many, and how many seconds to wait when there is nothing."""

    after = SequenceField(default=0, min_value=0, max_value=BIGINT_MAX)
    limit = QueryIntegerField(default=DEFAULT_LIMIT, min_value=1, max_value=MAX_LIMIT)
    wait = QueryIntegerField(default=0, min_value=0, max_value=MAX_WAIT_SECONDS)


class EventOutput(serializers.Serializer[Any]):
    """A CloudEvent; ``docs/events`` has a JSON Schema of ``data`` for each ``type``."""

    specversion = serializers.ChoiceField(choices=["1.0"])
    id = UuidField()
    source = serializers.URLField()  # type: ignore[assignment]
    type = serializers.RegexField(r"^com\.legato(\.[a-z_]+){3}\.v[0-9]+$")
    subject = serializers.CharField()
    time = UtcDateTimeField()
    datacontenttype = serializers.ChoiceField(choices=["application/json"])
    sequence = serializers.RegexField("^[0-9]{19}$")
    traceid = serializers.CharField(required=False)
    data = serializers.DictField()  # type: ignore[assignment]


class EventPageOutput(serializers.Serializer[Any]):
    """Events in the order of their sequence; ``next_after`` is the next request's ``after``."""

    events = EventOutput(many=True)
    next_after = serializers.IntegerField()


class EventViewSet(ApiViewSet):
    """The stream of events, for services with ``events:read``."""

    access = {"read": [Service("events:read")]}
    query = {"read": EventsQuery}
    pagination_class = None
    serializer_class = EventPageOutput

    @extend_schema(summary="Read events")
    def read(self, request: Request) -> Response:
        """Events after ``after``, oldest first. Each comes at least once, always in this order.

        With ``wait`` an answer without events is held back until there is one, or so many seconds
        have passed; it may come earlier when many are waiting.
        """
        after, limit = self.filters["after"], self.filters["limit"]
        found = events.published(after=after, limit=limit)
        if not found and self.filters["wait"]:
            found = _wait_for(after=after, limit=limit, seconds=self.filters["wait"])
        return Response(
            {
                "events": [events.envelope(event) for event in found],
                "next_after": found[-1].sequence if found else after,
            }
        )


def _wait_for(*, after: int, limit: int, seconds: int) -> list[OutboxEvent]:
    if not _places.acquire(blocking=False):
        return []
    try:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            # As at the end of a request: who waits keeps no database connection from others.
            connection.close_if_unusable_or_obsolete()
            time.sleep(min(POLL_SECONDS, left))
            if found := events.published(after=after, limit=limit):
                return found
        return []
    finally:
        _places.release()
