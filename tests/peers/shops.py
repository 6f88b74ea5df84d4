"""Callers of the peers that share no code with the product."""

from typing import Any

import requests
import stripe

from tests.peers.client import Peer

VERSION = "2026-05-27.dahlia"
OFF_SESSION: dict[str, Any] = {
    "confirm": True,
    "off_session": True,
    "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
}


class StripeShop:
    """A caller by the official SDK."""

    def __init__(self, peer: Peer, *, timeout: float = 20) -> None:
        self.peer = peer
        self.api = stripe.StripeClient(
            peer.key,
            stripe_version=VERSION,
            base_addresses={"api": peer.address},
            max_network_retries=0,
            http_client=stripe.RequestsClient(timeout=timeout),
        )

    def open(
        self, reference: str = "lp1", amount: int = 499, currency: str = "usd", **more: Any
    ) -> stripe.checkout.Session:
        """A hosted page for a package of coins; the reference is the idempotency key."""
        item = {
            "price_data": {
                "currency": currency,
                "unit_amount": amount,
                "product_data": {"name": "500 coins"},
            },
            "quantity": 1,
        }
        params: Any = {
            "mode": "payment",
            "line_items": [item],
            "success_url": "https://legato.example/paid?session={CHECKOUT_SESSION_ID}",
            "cancel_url": "https://legato.example/cancelled",
            "client_reference_id": reference,
            "metadata": {"reference": reference},
            "payment_intent_data": {"metadata": {"reference": reference}},
            **more,
        }
        return self.api.v1.checkout.sessions.create(params, {"idempotency_key": reference})

    def paid(self, reference: str = "lp1", **more: Any) -> str:
        """The payment intent of a paid page."""
        session = self.open(reference, **more)
        return str(self.peer.pay(session.id)["payment_intent"])

    def charge(self, params: dict[str, Any], key: str | None = None) -> stripe.PaymentIntent:
        """A payment of 9.99 with a card that was kept, the customer not being here."""
        whole: Any = {"amount": 999, "currency": "usd", **OFF_SESSION, **params}
        options: Any = {"idempotency_key": key} if key else {}
        return self.api.v1.payment_intents.create(whole, options)


class PaystackShop:
    """A caller by plain HTTP."""

    def __init__(self, peer: Peer, *, timeout: float = 20) -> None:
        self.peer = peer
        self._timeout = timeout
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {peer.key}"

    def get(self, path: str, **query: Any) -> requests.Response:
        """Read something."""
        return self._session.get(self.peer.address + path, params=query, timeout=self._timeout)

    def post(self, path: str, **body: Any) -> requests.Response:
        """Do something."""
        return self._session.post(self.peer.address + path, json=body, timeout=self._timeout)

    def put(self, path: str, **body: Any) -> requests.Response:
        """Change something."""
        return self._session.put(self.peer.address + path, json=body, timeout=self._timeout)

    def open(self, reference: str = "lp1", amount: int = 500_000, **more: Any) -> Any:
        """A hosted page for a package of coins."""
        answer = self.post(
            "/transaction/initialize",
            email="reader@legato.example",
            amount=amount,
            currency="NGN",
            reference=reference,
            callback_url="https://legato.example/paid",
            metadata={"reference": reference},
            **more,
        )
        return answer.json()["data"]

    def verify(self, reference: str = "lp1") -> Any:
        """The truth about a payment."""
        return self.get(f"/transaction/verify/{reference}").json()["data"]

    def paid(self, reference: str = "lp1", amount: int = 500_000) -> Any:
        """A payment that succeeded."""
        self.open(reference, amount)
        self.peer.pay(reference)
        return self.verify(reference)
