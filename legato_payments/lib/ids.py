"""Identifiers of our own rows, and the alphabet of other services' ids."""

import re
from datetime import UTC, datetime
from uuid import UUID, uuid4

import uuid_utils.compat

EXTERNAL_ID = r"[A-Za-z0-9._:-]{1,64}"
"""User, writer and content ids belong to other services: opaque, in this alphabet."""

_EXTERNAL_ID = re.compile(EXTERNAL_ID)


def uuid7() -> UUID:
    """A new id that sorts by time of creation (RFC 9562). Made in Python: PostgreSQL 18 only."""
    return uuid_utils.compat.uuid7()


def uuid7_time(value: UUID) -> datetime:
    """When a uuid7 was made, to the millisecond."""
    return datetime.fromtimestamp((value.int >> 80) / 1000, UTC)


def is_external_id(value: str) -> bool:
    """Whether ``value`` can be a user, writer or content id."""
    return _EXTERNAL_ID.fullmatch(value) is not None


def gateway_reference() -> str:
    """A new reference that every gateway accepts: 34 lower-case alphanumerics.

    Paystack charges forbid the underscore, its transfers need at least 16 characters in lower case,
    and an EndToEndId of ISO 20022 holds at most 35.
    """
    return f"lp{uuid4().hex}"
