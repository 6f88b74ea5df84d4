"""Paystack as our services see it: a ``ChargeGateway`` and a ``WebhookVerifier``."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from payments.gateways.paystack import banks, books, charges, disputes, errors, refunds, webhooks
from payments.gateways.paystack.client import Client
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
    SettlementState,
    Window,
)


class PaystackGateway:
    """Naira payments on Paystack's page.

    It has no idempotency keys: the reference makes a payment happen once, and a refund is looked
    for before it is made. So ``key`` is not sent anywhere.
    """

    code = errors.CODE
    currencies = frozenset({"NGN"})
    minimum_minor: Mapping[str, int] = {"NGN": 5_000}
    has_customers = False
    needs_email = True

    def create_charge(
        self,
        request: ChargeRequest,
        *,
        key: str,
        now: datetime,
    ) -> ChargeState:
        """See ``ChargeGateway``. The page cannot be had twice: ``DuplicateReference`` then.

        Whoever gets that reads the payment. Is it unpaid, then its page was in an answer that was
        lost, nobody has the address, and the payment can be opened under another reference.
        """
        assert request.amount.currency in self.currencies, request.amount
        return charges.create(Client(), request)

    def get_charge(
        self,
        *,
        reference: str,
        gateway_id: str = "",
        since: datetime | None = None,
    ) -> ChargeState | None:
        """See ``ChargeGateway``. Paystack's ledger names a payment by its id alone."""
        if not reference:
            return charges.fetch(Client(), gateway_id) if gateway_id else None
        return charges.find(Client(), reference)

    def cancel_charge(
        self,
        *,
        reference: str,
        now: datetime,
        gateway_id: str = "",
        since: datetime | None = None,
    ) -> ChargeState | None:
        """See ``ChargeGateway``. Paystack cannot close a page: the state is what it is."""
        return charges.find(Client(), reference)

    def ensure_customer(
        self,
        customer: CustomerRef,
        *,
        key: str,
    ) -> str:
        """See ``ChargeGateway``. Paystack makes one of every e-mail by itself."""
        return ""

    def detach_method(
        self,
        token: str,
        *,
        key: str,
    ) -> None:
        """See ``ChargeGateway``."""
        charges.forget_card(Client(), token)

    def refund(
        self,
        request: RefundRequest,
        *,
        key: str,
        now: datetime,
    ) -> RefundState:
        """See ``ChargeGateway``. Not to be called twice at the same moment."""
        return refunds.create(Client(), request)

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
        return refunds.find(
            Client(),
            reference=reference,
            charge_reference=charge_reference,
            gateway_id=gateway_id,
            since=since,
        )

    def get_dispute(self, *, gateway_id: str) -> DisputeState | None:
        """See ``ChargeGateway``."""
        return disputes.find(Client(), gateway_id)

    def submit_evidence(
        self,
        *,
        gateway_id: str,
        evidence: Evidence,
        key: str,
    ) -> DisputeState:
        """See ``ChargeGateway``."""
        return disputes.decline(Client(), gateway_id, evidence)

    def accept_dispute(
        self,
        *,
        gateway_id: str,
        key: str,
    ) -> DisputeState:
        """See ``ChargeGateway``."""
        return disputes.accept(Client(), gateway_id)

    def list_charges(self, window: Window) -> Iterator[ChargeState]:
        """See ``ChargeGateway``."""
        return charges.list_all(Client(), window)

    def list_refunds(self, window: Window) -> Iterator[RefundState]:
        """See ``ChargeGateway``."""
        return refunds.list_all(Client(), window)

    def list_disputes(self, window: Window) -> Iterator[DisputeState]:
        """See ``ChargeGateway``."""
        return disputes.list_all(Client(), window)

    def list_settlements(self, window: Window) -> Iterator[SettlementState]:
        """See ``ChargeGateway``."""
        return books.list_settlements(Client(), window)

    def ledger(self, window: Window) -> Iterator[LedgerLine]:
        """See ``ChargeGateway``."""
        return books.ledger(Client(), window)

    def settlement_lines(self, gateway_id: str) -> Iterator[LedgerLine]:
        """See ``ChargeGateway``."""
        return books.settlement_lines(Client(), gateway_id)

    def balances(self) -> list[BalanceState]:
        """See ``ChargeGateway``."""
        return books.balances(Client())

    def list_banks(self, currency: str) -> list[banks.Bank]:
        """The active banks of a currency."""
        return banks.list_all(Client(), currency)

    def resolve_account(self, number: str, bank_code: str) -> banks.AccountHolder:
        """Who holds a bank account.

        Raises:
            InvalidRequest: The bank does not know it.
        """
        return banks.resolve(Client(), number, bank_code)

    def verify(
        self,
        body: bytes,
        headers: Mapping[str, str],
        *,
        now: datetime,
        remote: str = "",
    ) -> list[GatewayEvent]:
        """See ``WebhookVerifier``. ``code`` is signature, address, mode or body."""
        return webhooks.verify(body, headers, remote=remote)
