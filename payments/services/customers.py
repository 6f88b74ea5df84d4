"""Readers' payment profiles."""

from dataclasses import dataclass
from datetime import datetime

from django.db.transaction import atomic

from legato_payments.lib.errors import DomainError
from payments import audit
from payments.models import Customer


class ProfileStale(DomainError):
    """Somebody changed the profile since the caller read it; nothing was written."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a reader tells us. ``country`` is ISO 3166-1, ``region`` the part after its dash."""

    country: str
    region: str
    currency: str
    birth_year: int | None
    preferred_gateway: str
    email: str | None


def find(*, user_id: str) -> Customer | None:
    """The reader's profile, if there is one."""
    return Customer.objects.filter(pk=user_id).first()


@atomic
def put(
    *,
    user_id: str,
    profile: Profile,
    expected_version: int | None,
    actor: str,
    now: datetime,
) -> Customer:
    """Write a reader's profile whole.

    Args:
        expected_version: The version the caller read; nothing for the first one.

    Raises:
        ProfileStale: It has another version by now, or exists already.
    """
    customer = _lock(user_id) if expected_version is not None else _add(user_id, now=now)
    if customer is None or customer.version != (expected_version or 0):
        raise ProfileStale
    before = _describe(customer) if expected_version is not None else None
    customer.country = profile.country
    customer.region = profile.region
    customer.currency = profile.currency
    customer.birth_year = profile.birth_year
    customer.preferred_gateway = profile.preferred_gateway
    customer.email = profile.email
    customer.version += 1
    customer.updated_at = now
    customer.save()
    audit.record(
        actor=actor,
        action="payments.profile.changed",
        object_type="customer",
        object_id=user_id,
        now=now,
        before=before,
        after=_describe(customer),
    )
    return customer


def _lock(user_id: str) -> Customer | None:
    return Customer.objects.select_for_update().filter(pk=user_id).first()


def _add(user_id: str, *, now: datetime) -> Customer | None:
    """An empty profile, or nothing when there is one: a lock cannot guard what is not there yet."""
    first = {"version": 0, "created_at": now, "updated_at": now}
    customer, is_new = Customer.objects.get_or_create(user_id=user_id, defaults=first)
    return customer if is_new else None


def _describe(customer: Customer) -> dict[str, object]:
    # The audit log is kept for ever and read by many: no e-mail, no year of birth.
    return {
        "country": customer.country,
        "region": customer.region,
        "currency": customer.currency,
        "preferred_gateway": customer.preferred_gateway,
        "version": customer.version,
    }


def country_of(*, user_id: str) -> str:
    """The reader's country, ISO 3166-1; empty when unknown."""
    country = Customer.objects.filter(pk=user_id).values_list("country", flat=True).first()
    return country or ""
