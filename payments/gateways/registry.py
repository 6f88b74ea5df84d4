"""Which gateway serves whom. The only way to a gateway: every call is counted and checked here."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from django.conf import settings
from django.db import connection

from legato_payments.lib.metrics import GATEWAY_REQUEST_SECONDS, GATEWAY_REQUESTS
from payments.enums import Currency, Provider
from payments.gateways.base import ChargeGateway, GatewayError, Unavailable, WebhookVerifier
from payments.gateways.paystack.gateway import PaystackGateway
from payments.gateways.sandbox.gateway import SandboxGateway
from payments.gateways.stripe.gateway import StripeGateway

HOME: Mapping[Currency, Provider] = {
    Currency.USD: Provider.STRIPE,
    Currency.CAD: Provider.STRIPE,
    Currency.NGN: Provider.PAYSTACK,
}
"""Who takes which currency when nothing else is said."""


class NotConfigured(Unavailable):
    """No gateway is set up for this currency or provider."""


class ObservedGateway:
    """A ``ChargeGateway`` whose calls are counted and never made inside a transaction."""

    def __init__(self, gateway: ChargeGateway) -> None:
        self._gateway = gateway

    def __getattr__(self, name: str) -> Any:
        """The gateway's own constant, or its method, observed."""
        found = getattr(self._gateway, name)
        if not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            answer = self._observe(name, lambda: found(*args, **kwargs))
            return self._page(name, answer) if isinstance(answer, Iterator) else answer

        return call

    def _page(self, name: str, rows: Iterator[Any]) -> Iterator[Any]:
        # A list asks for its pages while it is read, so each step may be a call of its own.
        nothing = object()
        while (row := self._observe(name, lambda: next(rows, nothing), only_failures=True)) is not (
            nothing
        ):
            yield row

    def _observe[T](
        self, operation: str, call: Callable[[], T], *, only_failures: bool = False
    ) -> T:
        assert_outside_transaction()
        outcome = "ok"
        started = time.perf_counter()
        try:
            return call()
        except GatewayError as error:
            outcome = type(error).__name__.lower()
            raise
        finally:
            if outcome != "ok" or not only_failures:
                gateway = self._gateway.code.lower()
                GATEWAY_REQUESTS.labels(gateway=gateway, operation=operation, outcome=outcome).inc()
                GATEWAY_REQUEST_SECONDS.labels(gateway=gateway, operation=operation).observe(
                    time.perf_counter() - started
                )


def charge_gateway(provider: str) -> ChargeGateway:
    """The gateway of one provider.

    Raises:
        NotConfigured: It lacks its keys, or is not allowed here.
    """
    return cast("ChargeGateway", ObservedGateway(_gateway(provider)))


def route(*, currency: str, preferred: str = "") -> Provider:
    """Who takes a payment in ``currency``: the preferred provider if it can, else its home.

    Raises:
        NotConfigured: Nobody is set up for this currency.
    """
    candidates = [preferred, HOME[Currency(currency)], Provider.SANDBOX]
    for candidate in candidates:
        if candidate and is_configured(candidate) and currency in _gateway(candidate).currencies:
            return Provider(candidate)
    raise NotConfigured(f"No gateway is configured for {currency}.", gateway="")


def configured() -> list[Provider]:
    """Every provider that can be used here."""
    return [provider for provider in Provider if is_configured(provider)]


def is_configured(provider: str) -> bool:
    """Whether a provider can be used here."""
    match provider:
        case Provider.STRIPE:
            return bool(settings.STRIPE_SECRET_KEY)
        case Provider.PAYSTACK:
            return bool(settings.PAYSTACK_SECRET_KEY)
        case Provider.SANDBOX:
            return bool(settings.GATEWAY_SANDBOX)
        case _:
            return False


def verifier(provider: str) -> WebhookVerifier:
    """Who checks the deliveries of one provider.

    Raises:
        NotConfigured: It lacks its keys, or is not allowed here.
    """
    return _gateway(provider)


def assert_outside_transaction() -> None:
    """A gateway may take 20 s to answer: no lock and no connection waits for it."""
    # pytest-django wraps a whole test in a transaction; Django marks those blocks.
    blocks = [b for b in connection.atomic_blocks if not getattr(b, "_from_testcase", False)]
    assert not blocks, "a gateway was called inside a database transaction"


def _gateway(provider: str) -> StripeGateway | PaystackGateway | SandboxGateway:
    if not is_configured(provider):
        raise NotConfigured(f"{provider} is not configured.", gateway=provider)
    match provider:
        case Provider.STRIPE:
            return StripeGateway()
        case Provider.PAYSTACK:
            return PaystackGateway()
        case _:
            return SandboxGateway()
