"""Stripe as our services see it: a ``ChargeGateway`` and a ``WebhookVerifier``."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cached_property

import stripe

from legato_payments.lib.money import Money
from payments.gateways.stripe import (
    books,
    charges,
    client,
    customers,
    disputes,
    refunds,
    tax,
    webhooks,
)
from payments.gateways.stripe.answers import CODE
from payments.gateways.values import (
    BalanceState,
    ChargeRequest,
    ChargeState,
    CustomerRef,
    DisputeState,
    Evidence,
    GatewayEvent,
    LedgerLine,
    RefundRequest,
    RefundState,
    SavedMethod,
    SettlementState,
    Window,
)


class StripeGateway:
    """Payments in US and Canadian dollars."""

    code = CODE
    currencies = frozenset({"USD", "CAD"})
    minimum_minor: Mapping[str, int] = {"USD": 50, "CAD": 50}
    has_customers = True
    needs_email = False

    def __init__(self, transport: stripe.HTTPClient | None = None) -> None:
        """Ask over ``transport`` instead of the network."""
        self._transport = transport

    @cached_property
    def _client(self) -> stripe.StripeClient:
        return client.connect(self._transport)

    def create_charge(self, request: ChargeRequest, *, key: str, now: datetime) -> ChargeState:
        """See ``ChargeGateway``."""
        return charges.create(self._client, request, key=key, now=now)

    def get_charge(
        self, *, reference: str, gateway_id: str = "", since: datetime | None = None
    ) -> ChargeState | None:
        """See ``ChargeGateway``."""
        return charges.get(self._client, reference=reference, gateway_id=gateway_id, since=since)

    def cancel_charge(
        self,
        *,
        reference: str,
        now: datetime,
        gateway_id: str = "",
        since: datetime | None = None,
    ) -> ChargeState | None:
        """See ``ChargeGateway``."""
        return charges.cancel(
            self._client, reference=reference, now=now, gateway_id=gateway_id, since=since
        )

    def refund(self, request: RefundRequest, *, key: str, now: datetime) -> RefundState:
        """See ``ChargeGateway``."""
        return refunds.create(self._client, request, key=key)

    def get_refund(
        self,
        *,
        reference: str,
        payment_id: str,
        charge_reference: str,
        gateway_id: str = "",
        since: datetime | None = None,
    ) -> RefundState | None:
        """See ``ChargeGateway``."""
        return refunds.get(
            self._client, reference=reference, payment_id=payment_id, gateway_id=gateway_id
        )

    def get_dispute(self, *, gateway_id: str) -> DisputeState | None:
        """See ``ChargeGateway``."""
        return disputes.get(self._client, gateway_id)

    def submit_evidence(self, *, gateway_id: str, evidence: Evidence, key: str) -> DisputeState:
        """See ``ChargeGateway``."""
        return disputes.submit_evidence(self._client, gateway_id, evidence, key=key)

    def accept_dispute(self, *, gateway_id: str, key: str) -> DisputeState:
        """See ``ChargeGateway``."""
        return disputes.accept(self._client, gateway_id, key=key)

    def list_charges(self, window: Window) -> Iterator[ChargeState]:
        """See ``ChargeGateway``."""
        return charges.in_window(self._client, window)

    def list_refunds(self, window: Window) -> Iterator[RefundState]:
        """See ``ChargeGateway``."""
        return refunds.in_window(self._client, window)

    def list_disputes(self, window: Window) -> Iterator[DisputeState]:
        """See ``ChargeGateway``."""
        return disputes.in_window(self._client, window)

    def list_settlements(self, window: Window) -> Iterator[SettlementState]:
        """See ``ChargeGateway``."""
        return books.settlements(self._client, window)

    def ledger(self, window: Window) -> Iterator[LedgerLine]:
        """See ``ChargeGateway``."""
        return books.ledger(self._client, window)

    def settlement_lines(self, gateway_id: str) -> Iterator[LedgerLine]:
        """See ``ChargeGateway``."""
        return books.settlement_lines(self._client, gateway_id)

    def balances(self) -> list[BalanceState]:
        """See ``ChargeGateway``."""
        return books.balances(self._client)

    def verify(
        self,
        body: bytes,
        headers: Mapping[str, str],
        *,
        now: datetime,
        remote: str = "",
    ) -> list[GatewayEvent]:
        """See ``WebhookVerifier``. The signature is enough: where it came from is not looked at."""
        return webhooks.verify(body, headers, now=now)

    def ensure_customer(self, customer: CustomerRef, *, key: str) -> str:
        """See ``ChargeGateway``."""
        return customers.ensure(self._client, customer, key=key)

    def list_methods(self, customer_id: str) -> list[SavedMethod]:
        """See ``customers.methods``."""
        return list(customers.methods(self._client, customer_id))

    def detach_method(self, token: str, *, key: str) -> None:
        """See ``ChargeGateway``."""
        customers.detach(self._client, token, key=key)

    def calculate_tax(
        self,
        *,
        price: Money,
        reference: str,
        address: tax.Address,
        key: str,
        tax_code: str = "",
    ) -> int:
        """See ``tax.calculate``."""
        return tax.calculate(
            self._client,
            price=price,
            reference=reference,
            address=address,
            key=key,
            tax_code=tax_code,
        )
