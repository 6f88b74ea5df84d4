"""Writers: known from the first content on."""

from collections.abc import Iterable
from datetime import datetime

from revenue.models import Writer


def register(*, writer_ids: Iterable[str], now: datetime) -> None:
    """Know these writers from now on; those known already keep the time they were first seen."""
    Writer.objects.bulk_create(
        (Writer(writer_id=writer_id, first_seen_at=now) for writer_id in sorted(set(writer_ids))),
        ignore_conflicts=True,
    )


def is_known(*, writer_id: str) -> bool:
    """Whether this person ever had content here, or was registered."""
    return Writer.objects.filter(pk=writer_id).exists()
