"""Purchases whose row is lost, made again from what the gateway keeps with the payment.

After a restore to an earlier point the gateway may hold payments that our tables have never heard
of. What we told it when the payment was opened is enough to credit them, if we signed it, it is
whole and agrees with what was paid.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from django.db import IntegrityError
from django.db.models import Q
from django.db.transaction import atomic

from legato_payments.lib.errors import Conflict
from legato_payments.lib.ids import is_external_id, uuid7_time
from legato_payments.lib.money import Money, divide_down
from payments import audit
from payments.enums import BOOK_CURRENCY
from payments.gateways.values import ChargeState, Outcome
from payments.models import Policy, Purchase, PurchaseTaxLine
from payments.queries import policies
from payments.services import purchase_terms, purchases

ACTOR = "system:reconcile"

LARGEST = 2**31 - 1
"""What a count of coins holds."""


class CannotRestore(Conflict):
    code = "purchase_not_restorable"
    title = "What the gateway keeps with the payment does not make a purchase."


def restore(*, provider: str, state: ChargeState, now: datetime) -> Purchase:
    """Make a purchase again, and credit it.

    Raises:
        CannotRestore: Not paid, or what the gateway keeps with it is not whole, or contradicts it.
    """
    if state.outcome is not Outcome.SUCCEEDED:
        raise CannotRestore("It was not paid.")
    fields = _fields(state)
    purchase_id: UUID = fields["id"]
    _make(provider, state, fields, now=now)
    return purchases.apply(purchase_id=purchase_id, state=state, now=now)


def can_be(state: ChargeState) -> bool:
    """Whether ``restore`` could make a purchase of it."""
    try:
        _fields(state)
    except CannotRestore:
        return False
    return state.outcome is Outcome.SUCCEEDED


def named_in(provider: str, state: ChargeState) -> Purchase | None:
    """A purchase of ours that the payment was made for, under whatever reference."""
    wanted = Q(pk__in=[])
    if reference := state.metadata.get("legato_reference"):
        wanted |= Q(reference=reference)
    if (purchase_id := _uuid(state.metadata.get("purchase_id", ""))) is not None:
        wanted |= Q(pk=purchase_id)
    return Purchase.objects.filter(wanted, provider=provider).first()


@atomic
def _make(provider: str, state: ChargeState, fields: dict[str, Any], *, now: datetime) -> None:
    lifetime = timedelta(minutes=policies.value(Policy.Name.PURCHASE_TTL_MINUTES, on=now))
    created_at = _created_at(fields["id"], state, now)
    purchase = Purchase(
        provider=provider,
        gateway_id=state.gateway_id,
        payment_id=state.payment_id,
        status=Purchase.Status.PENDING,
        created_at=created_at,
        expires_at=created_at + lifetime,
        **fields,
    )
    try:
        with atomic():
            purchase.save(force_insert=True)
    except IntegrityError as error:
        raise CannotRestore("Another purchase has its id, or its reference.") from error
    lines = purchase_terms.tax_lines(state.metadata, purchase.currency)
    for line in lines:
        line.purchase = purchase
    PurchaseTaxLine.objects.bulk_create(lines)
    audit.record(
        actor=ACTOR,
        action="payments.purchase.restored",
        object_type="purchase",
        object_id=purchase.pk,
        now=now,
        after={
            "user_id": purchase.user_id,
            "coins": purchase.total_coins,
            "total": Money(purchase.total_micros, purchase.currency).to_json(),
            "reference": purchase.reference,
            "payment": state.payment_id or state.gateway_id,
        },
        reason="The gateway has its payment, and our row was missing.",
    )


def _fields(state: ChargeState) -> dict[str, Any]:
    """What the row says, from the gateway's metadata."""
    kept = state.metadata
    if not purchase_terms.are_ours(kept):
        raise CannotRestore("We did not sign its terms, or somebody changed them.")
    purchase_id = _uuid(kept.get("purchase_id", ""))
    user_id = kept.get("user_id", "")
    if purchase_id is None or not is_external_id(user_id):
        raise CannotRestore("It does not say whose purchase it is.")
    if kept.get("legato_reference") != state.reference or not state.reference:
        raise CannotRestore("It names another reference.")
    fields: dict[str, Any] = {
        "id": purchase_id,
        "user_id": user_id,
        "reference": state.reference,
        "coins": _number(kept, "coins", least=1, most=LARGEST),
        "bonus_coins": _number(kept, "bonus_coins", most=LARGEST),
        "currency": kept.get("currency", ""),
        "price_micros": _number(kept, "price_micros", least=1),
        "tax_micros": _number(kept, "tax_micros"),
        "value_micros": _number(kept, "value_micros", least=1),
        "fx_rate": _rate(kept.get("fx_rate", "")),
        "country": kept.get("country", ""),
        "region": kept.get("region", ""),
        "tax_ground": kept.get("tax_ground", ""),
    }
    _check(fields, state)
    lines = purchase_terms.tax_lines(kept, fields["currency"])
    if sum(line.amount_micros for line in lines) != fields["tax_micros"]:
        raise CannotRestore("It does not say whose tax it is.")
    return fields


def _check(fields: dict[str, Any], state: ChargeState) -> None:
    if fields["currency"] != state.amount.currency:
        raise CannotRestore("It names another currency than was paid.")
    if fields["price_micros"] + fields["tax_micros"] != state.amount.micros:
        raise CannotRestore("It names another amount than was paid.")
    rate = fields["fx_rate"]
    is_book = fields["currency"] == BOOK_CURRENCY
    if is_book != (rate is None):
        raise CannotRestore("Its exchange rate is missing, or one too many.")
    price = fields["price_micros"]
    if fields["value_micros"] != (price if is_book else divide_down(price, rate)):
        raise CannotRestore("The value of its coins is not that of its price.")


def _number(kept: Any, name: str, *, least: int = 0, most: int = 2**63 - 1) -> int:
    text = kept.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise CannotRestore(f"It does not say {name}.")
    number = int(text)
    if not least <= number <= most:
        raise CannotRestore(f"{name} is beyond all bounds.")
    return number


def _rate(text: str) -> Decimal | None:
    if not text:
        return None
    try:
        rate = Decimal(text)
    except InvalidOperation as error:
        raise CannotRestore("Its exchange rate is no number.") from error
    if not (rate.is_finite() and 0 < rate < 10**12):
        raise CannotRestore("Its exchange rate is beyond all bounds.")
    return rate


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _created_at(purchase_id: UUID, state: ChargeState, now: datetime) -> datetime:
    paid_at = state.occurred_at or now
    if purchase_id.version != 7:
        return paid_at
    # Never after it was paid, whatever an id says.
    return min(uuid7_time(purchase_id).astimezone(UTC), paid_at)
