"""Readers as gateways know them, where a method can only be kept for somebody."""

from datetime import datetime

from django.db.transaction import atomic

from payments.gateways import registry
from payments.gateways.values import CustomerRef
from payments.models import GatewayCustomer
from payments.services import attempts


def ensure(*, user_id: str, provider: str, email: str | None, now: datetime) -> CustomerRef:
    """The reader as a gateway knows them, made there at the first call.

    Call it outside a transaction. A try whose answer was lost asks again with the same key and
    the same words, so that the gateway makes one customer.

    Raises:
        base.GatewayError: The gateway did not make one.
    """
    gateway = registry.charge_gateway(provider)
    if not gateway.has_customers:
        return CustomerRef(user_id, email)
    row, _ = GatewayCustomer.objects.get_or_create(
        user_id=user_id, provider=provider, defaults={"email": email, "created_at": now}
    )
    if not row.customer_id:
        row = _make(row, now=now)
    return CustomerRef(user_id, email, row.customer_id or "")


def _make(row: GatewayCustomer, *, now: datetime) -> GatewayCustomer:
    gateway = registry.charge_gateway(row.provider)
    key = f"customer:{row.pk}"
    operation = attempts.Operation(
        provider=row.provider,
        name="customer",
        key=key,
        reference=str(row.pk),
        object_type="gateway_customer",
        object_id=str(row.pk),
        request={"user_id": row.user_id},
    )
    known = CustomerRef(row.user_id, row.email)
    made = attempts.send(operation, lambda: gateway.ensure_customer(known, key=key), now=now)
    return _remember(row, made)


@atomic
def _remember(row: GatewayCustomer, customer_id: str) -> GatewayCustomer:
    """Write the gateway's id down, unless a twin was faster: then theirs counts."""
    row = GatewayCustomer.objects.select_for_update(no_key=True).get(pk=row.pk)
    if not row.customer_id:
        row.customer_id = customer_id
        row.save(update_fields=["customer_id"])
    return row
