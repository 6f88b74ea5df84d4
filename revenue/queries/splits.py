"""Which rates count now."""

from datetime import datetime

from django.db.models import QuerySet

from payments.enums import Stream
from revenue.models import SplitRule, StreamTerms


def in_force(*, on: datetime) -> QuerySet[SplitRule]:
    """The split rules that count at ``on``: one of each stream and target."""
    rows = SplitRule.objects.filter(valid_from__lte=on)
    target = ("stream", "level", "writer_id")
    return rows.order_by(*target, "-valid_from", "-id").distinct(*target)


def default_bps(stream: Stream, *, on: datetime) -> int | None:
    """The rate of a stream for writers without a rule of their own."""
    rows = SplitRule.objects.filter(
        stream=stream, level="", writer__isnull=True, valid_from__lte=on
    )
    return rows.order_by("-valid_from", "-id").values_list("rate_bps", flat=True).first()


def terms_in_force(*, on: datetime) -> QuerySet[StreamTerms]:
    """The agreed band and holds of every stream at ``on``."""
    rows = StreamTerms.objects.filter(valid_from__lte=on)
    return rows.order_by("stream", "-valid_from", "-id").distinct("stream")
