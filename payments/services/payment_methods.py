"""Payment methods that readers let us keep: kept with a payment, charged, removed, forgotten.

A method is kept only with the reader's consent, given with the purchase that it pays. From the
moment its removal is committed it is not charged again, whatever the gateway still knows of it.
"""

from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db.transaction import atomic

from legato_payments.lib import crypto, jobs
from legato_payments.lib.errors import FieldError, Missing, Refused
from payments import audit
from payments.gateways import base, registry
from payments.gateways.values import CustomerRef, SavedMethod
from payments.models import MethodConsent, PaymentMethod, Purchase
from payments.services import attempts

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=60)

ABOUT_TOKENS = crypto.purpose_of(PaymentMethod._meta.get_field("token"))  # noqa: SLF001


class MethodMissing(Missing):
    """The reader never kept a method with this id."""

    title = "There is no such payment method."


class _MethodRefused(Refused):
    """A purchase cannot be paid with the method it names; nothing was charged."""

    def __init__(self) -> None:
        fault = FieldError("/payment_method_id", self.code, self.title)
        super().__init__(errors=[fault])


class MethodUnknown(_MethodRefused):
    code = "payment_method_unknown"
    title = "You keep no such payment method, or removed it."


class MethodElsewhere(_MethodRefused):
    code = "payment_method_elsewhere"
    title = "The payment method is kept at a gateway that does not take this currency."


def find(*, method_id: UUID, user_id: str, provider: str) -> PaymentMethod:
    """A kept method of the reader's, to charge it for a purchase at ``provider``.

    Raises:
        MethodUnknown: There is none, it is another reader's, or it was removed.
        MethodElsewhere: Another gateway keeps it.
    """
    method = PaymentMethod.objects.kept().filter(pk=method_id, user_id=user_id).first()
    if method is None:
        raise MethodUnknown
    if method.provider != provider:
        raise MethodElsewhere
    return method


def payer(method: PaymentMethod, email: str | None) -> CustomerRef:
    """Whom the gateway keeps a method for; ``email`` where it does not matter which."""
    return CustomerRef(method.user_id, method.email or email, method.customer_id)


def agree_to_keep(purchase: Purchase, *, now: datetime) -> None:
    """Write down that the reader of a new purchase lets us keep what pays it."""
    MethodConsent.objects.create(purchase=purchase, given_at=now)


def keep(purchase: Purchase, given: SavedMethod | None, *, now: datetime) -> PaymentMethod | None:
    """Keep what paid a purchase, if its reader agreed to that; once, however often it is told.

    The caller holds the reader's wallet, so that two payments with one card keep one row. A method
    that was removed comes back only by a consent given after that.
    """
    if given is None:
        return None
    consent = MethodConsent.objects.filter(pk=purchase.pk).first()
    if consent is None:
        return None
    method = _known(purchase, given.token)
    if method is None:
        method = PaymentMethod(
            user_id=purchase.user_id, provider=purchase.provider, token=given.token, created_at=now
        )
    elif method.removed_at is None or method.removed_at >= consent.given_at:
        return method
    _describe(method, given)
    method.purchase = purchase
    method.consented_at = consent.given_at
    method.removed_at = method.detached_at = None
    method.finish()
    method.save()
    _tell(method, "payments.payment_method.kept", actor="system:settle", now=now)
    return method


@atomic
def remove(
    *, method_id: UUID, actor: str, now: datetime, user_id: str = "", reason: str = ""
) -> PaymentMethod:
    """Never charge a method again, and have the gateway forget it. Safe to call again.

    Args:
        user_id: Whose it has to be; empty when staff removes it.
        reason: Why, when it is not the reader's own wish.

    Raises:
        MethodMissing: There is none, or it is another reader's.
        audit.ReasonMissing: Staff gives no reason.
    """
    if not user_id and not reason.strip():
        raise audit.ReasonMissing
    found = PaymentMethod.objects.select_for_update(no_key=True).filter(pk=method_id)
    method = found.first()
    if method is None or (user_id and method.user_id != user_id):
        raise MethodMissing
    if method.removed_at is None:
        method.removed_at = now
        method.attempts = 0
        method.postpone(until=now)
        method.save()
        _tell(method, "payments.payment_method.removed", actor=actor, now=now, reason=reason)
        jobs.enqueue("payments.detach_method", method_id=str(method.pk))
    return method


def detach(*, method_id: UUID, now: datetime) -> None:
    """Have the gateway forget a removed method, or try again later.

    Does nothing when it is not due or another worker has it.
    """
    method = PaymentMethod.objects.claim(pk=method_id, now=now, lease=LEASE)
    if method is None:
        return
    # One that is kept again and removed again is asked for anew.
    key = f"method:{method.pk}:detach:{method.removed_at:%Y%m%dT%H%M%S.%f}"
    operation = attempts.Operation(
        provider=method.provider,
        name="detach_method",
        key=key,
        reference=str(method.pk),
        object_type="payment_method",
        object_id=str(method.pk),
        request={"method": method.pk},
    )
    token = method.token
    try:
        gateway = registry.charge_gateway(method.provider)
        attempts.send(operation, lambda: gateway.detach_method(token, key=key), now=now)
    except base.GatewayError as error:
        log.warning("method_not_detached", method_id=str(method_id), error=repr(error))
        _detached(method_id, now=now, is_done=False)
    else:
        _detached(method_id, now=now, is_done=True)


@atomic
def _detached(method_id: UUID, *, now: datetime, is_done: bool) -> None:
    method = PaymentMethod.objects.select_for_update(no_key=True).get(pk=method_id)
    if method.removed_at is None:
        return
    if is_done:
        method.detached_at = now
        method.finish()
    else:
        method.postpone(until=now + jobs.backoff(method.attempts))
    method.save(update_fields=["detached_at", "next_attempt_at", "locked_until"])


def _known(purchase: Purchase, token: str) -> PaymentMethod | None:
    return (
        PaymentMethod.objects.select_for_update(no_key=True)
        .filter(
            user_id=purchase.user_id,
            provider=purchase.provider,
            token_index__in=crypto.blind_indexes(token, ABOUT_TOKENS),
        )
        .first()
    )


def _describe(method: PaymentMethod, given: SavedMethod) -> None:
    method.customer_id = given.customer_id
    method.email = given.email or None
    method.kind = _words(given.kind, 20)
    method.brand = _words(given.brand, 40)
    method.last4 = _words(given.last4, 4)
    method.expires = _words(given.expires, 7)


def _words(text: str, most: int) -> str:
    # What a gateway calls a card must never keep its payment from being credited.
    return "".join(char for char in text if char.isprintable())[:most]


def _tell(
    method: PaymentMethod, action: str, *, actor: str, now: datetime, reason: str = ""
) -> None:
    audit.record(
        actor=actor,
        action=action,
        object_type="payment_method",
        object_id=method.pk,
        now=now,
        after={
            "user_id": method.user_id,
            "gateway": method.provider.lower(),
            "method": str(method),
            "purchase": str(method.purchase_id),
        },
        reason=reason,
    )
