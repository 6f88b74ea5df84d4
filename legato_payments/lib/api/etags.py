"""Conditional changes: who edits a resource says which version of it they saw (RFC 9110, 13)."""

import hashlib

from django.utils.http import parse_etags
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from legato_payments.lib.api.errors import PreconditionFailed, PreconditionRequired
from legato_payments.lib.api.openapi import PROBLEMS

ETAG = OpenApiParameter(
    "ETag",
    location=OpenApiParameter.HEADER,
    required=True,
    description="The version that a change names in `If-Match`.",
    response=[200, 201],
)
"""For ``@extend_schema(parameters=[...])`` on every action that answers with an ETag."""


def preconditions(*, can_create: bool = False) -> list[OpenApiParameter]:
    """The parameters of every action that checks preconditions.

    What can be created is changed with ``If-Match`` or made with ``If-None-Match``.
    """
    if_match = OpenApiParameter(
        "If-Match",
        location=OpenApiParameter.HEADER,
        required=not can_create,
        description="The ETag of the version that the change is for; `*` for any.",
        extensions={PROBLEMS: [412, 428]},
    )
    if not can_create:
        return [if_match]
    if_none_match = OpenApiParameter(
        "If-None-Match",
        location=OpenApiParameter.HEADER,
        description="`*`: only if there is none yet.",
        enum=["*"],
    )
    return [if_match, if_none_match]


def make_etag(*version: object) -> str:
    """A strong ETag of whatever changes when the resource does: its id and version, for example."""
    text = "\x1f".join(str(part) for part in version)
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def check_preconditions(request: Request, *, current: str | None) -> None:
    """Let a change through only for the version it was made for.

    Call it inside the transaction of the change, after the row is locked: two editors with the same
    ETag would otherwise both pass. ``current`` is the ETag of the resource as it is now, ``None``
    when it does not exist yet.

    Raises:
        PreconditionRequired: 428; neither ``If-Match`` (to change) nor ``If-None-Match: *`` (to
            create) was sent.
        PreconditionFailed: 412; there is another version, none, or one already.
    """
    if_match = request.headers.get("If-Match")
    if_none_match = request.headers.get("If-None-Match")
    if if_match is None and if_none_match is None:
        raise PreconditionRequired
    if if_none_match is not None and (current is not None or if_none_match.strip() != "*"):
        raise PreconditionFailed
    if if_match is not None and not _matches(if_match, current):
        raise PreconditionFailed


def _matches(if_match: str, current: str | None) -> bool:
    # Strong comparison: a weak tag (W/"...") never matches, for it may hide a difference.
    tags = parse_etags(if_match)
    return current is not None and (tags == ["*"] or current in tags)
