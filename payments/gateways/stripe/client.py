"""The SDK's client over our own way out, which knows whether a request can have arrived."""

import ssl
import threading
from collections.abc import Mapping
from typing import Any

import requests
import stripe
import urllib3
from django.conf import settings

from legato_payments.lib import http

MAX_RETRIES = 1
"""By the SDK, with the same key, after a dropped connection, 409 or 5xx."""

# The SDK would write a file into the home directory, and tell Stripe how long our calls took.
stripe.enable_telemetry = False


class NotSent(stripe.APIConnectionError):
    """No attempt of the call reached Stripe: it was certainly not executed."""


class Transport(stripe.HTTPClient):
    """Sends the SDK's requests over ``lib.http``."""

    name = "requests"

    def __init__(self) -> None:
        super().__init__()
        self._call = threading.local()

    def request_with_retries(self, *args: Any, **kwargs: Any) -> Any:
        """Send a request, and perhaps again.

        Raises:
            NotSent: No attempt reached Stripe.
            stripe.APIConnectionError: There is no answer, but one attempt may have arrived.
        """
        self._call.may_have_arrived = False
        try:
            return super().request_with_retries(*args, **kwargs)
        except stripe.APIConnectionError as error:
            if self._call.may_have_arrived:
                raise
            raise NotSent(str(error)) from error  # type: ignore[no-untyped-call]

    def request(  # type: ignore[override]
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: str | None = None,
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Send a request once, and read the whole answer."""
        try:
            with http.session() as session:
                answer = session.request(
                    method,
                    url,
                    headers=dict(headers or {}),
                    data=post_data,
                    timeout=(http.CONNECT_SECONDS, http.READ_SECONDS),
                )
        except requests.RequestException as error:
            if not _is_unsent(error):
                self._call.may_have_arrived = True
            message = f"{type(error).__name__}: {error}"
            raise stripe.APIConnectionError(  # type: ignore[no-untyped-call]
                message, should_retry=True
            ) from error
        self._call.may_have_arrived = True
        return answer.content, answer.status_code, answer.headers

    def close(self) -> None:
        """Nothing to close: every request has a session of its own."""


def connect(transport: stripe.HTTPClient | None = None) -> stripe.StripeClient:
    """A client with our key, version and limits; ``transport`` replaces the network."""
    return stripe.StripeClient(
        settings.STRIPE_SECRET_KEY,
        stripe_version=settings.STRIPE_API_VERSION,
        base_addresses={"api": settings.STRIPE_API_BASE},
        max_network_retries=MAX_RETRIES,
        http_client=transport or Transport(),
    )


def _is_unsent(error: requests.RequestException) -> bool:
    """Whether no connection came about: no such name, refused, too slow, or not Stripe's.

    Only what requests and urllib3 put into the error is looked at, not ``__context__``: that may be
    an error our caller is handling, of another call.
    """
    if isinstance(error, requests.ConnectTimeout | requests.exceptions.ProxyError):
        return True
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, urllib3.exceptions.MaxRetryError) else None
    if isinstance(reason, urllib3.exceptions.SSLError):
        # Other TLS errors may come after the request was sent.
        return isinstance(reason.args[0], ssl.SSLCertVerificationError)
    return isinstance(reason, urllib3.exceptions.NewConnectionError)
