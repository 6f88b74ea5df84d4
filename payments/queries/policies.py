"""The limits in force: the newest dated row of each name."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import QuerySet

from payments.models import Policy


def values(names: Sequence[Policy.Name], *, on: datetime) -> dict[Policy.Name, int]:
    """The values in force at ``on``, in one query. A missing name is a broken installation."""
    rows = (
        Policy.objects.filter(name__in=names, valid_from__lte=on)
        .order_by("name", "-valid_from", "-id")
        .distinct("name")
    )
    found = {Policy.Name(row.name): row.value for row in rows}
    assert found.keys() == set(names), f"no policy for {set(names) - found.keys()}"
    return found


def value(name: Policy.Name, *, on: datetime) -> int:
    """The value of one limit in force at ``on``."""
    return values([name], on=on)[name]


def in_force(*, on: datetime) -> QuerySet[Policy]:
    """The rows that count at ``on``: one of each name."""
    rows = Policy.objects.filter(valid_from__lte=on)
    return rows.order_by("name", "-valid_from", "-id").distinct("name")
