"""Who wrote what, and with which share."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime

from django.db.models import F, Value
from django.db.models.functions import Greatest
from django.db.transaction import atomic

from legato_payments.lib.errors import FieldError, Invalid
from revenue.models import Authorship
from revenue.services import writers

FULL_BPS = 10_000


class SharesIncomplete(Invalid):
    code = "shares_incomplete"
    title = "The authors' shares must sum to 10,000 basis points."


def check(shares: Mapping[str, int], *, pointer: str = "/writers") -> None:
    """Refuse shares that are not each above zero, or do not sum to the whole.

    Args:
        shares: Basis points by writer id.

    Raises:
        SharesIncomplete: They do not.
    """
    total = sum(shares.values())
    if total != FULL_BPS or any(share <= 0 for share in shares.values()):
        detail = f"The shares sum to {total}, not {FULL_BPS}."
        raise SharesIncomplete(detail, errors=[FieldError(pointer, "shares_incomplete", detail)])


@atomic
def put(*, shares: Mapping[str, Mapping[str, int]], now: datetime) -> None:
    """Record the authors of several pieces of content; what was before ends now.

    Args:
        shares: By content id, basis points by writer id; checked with ``check``. The caller holds
            a lock on the content rows, so that two descriptions of one content queue.
    """
    writers.register(writer_ids={writer for by in shares.values() for writer in by}, now=now)
    current = _open(shares)
    changed = [content for content, by in shares.items() if _shares(current[content]) != dict(by)]
    # Deliveries queue at the lock, not always in the order of their clocks: one that waited must
    # not end what was before it began.
    Authorship.objects.filter(content_id__in=changed, valid_to__isnull=True).update(
        valid_to=Greatest(F("valid_from"), Value(now))
    )
    Authorship.objects.bulk_create(
        Authorship(
            content_id=content,
            writer_id=writer,
            share_bps=bps,
            valid_from=max([now, *(row.valid_from for row in current[content])]),
        )
        for content in changed
        for writer, bps in sorted(shares[content].items())
    )


def _open(content_ids: Iterable[str]) -> dict[str, list[Authorship]]:
    by_content: dict[str, list[Authorship]] = defaultdict(list)
    for row in Authorship.objects.filter(content_id__in=list(content_ids), valid_to__isnull=True):
        by_content[row.content_id].append(row)
    return by_content


def _shares(rows: Iterable[Authorship]) -> dict[str, int]:
    return {row.writer_id: row.share_bps for row in rows}
