"""Who wrote what, for those who decide about reading and buying."""

from collections.abc import Sequence

from revenue.models import Authorship


def is_author(*, user_id: str, content_id: str) -> bool:
    """Whether the user is a current author of the content."""
    rows = Authorship.objects.filter(content_id=content_id, writer_id=user_id)
    return rows.filter(valid_to__isnull=True).exists()


def authored_among(*, user_id: str, content_ids: Sequence[str]) -> set[str]:
    """Those of ``content_ids`` that the user wrote."""
    rows = Authorship.objects.filter(
        content_id__in=content_ids, writer_id=user_id, valid_to__isnull=True
    )
    return set(rows.values_list("content_id", flat=True))
