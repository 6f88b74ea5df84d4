"""Have localstripe, which is not ours, sign webhooks for our adapter. For development, by hand.

    pip install localstripe && localstripe --port 8420 --from-scratch &
    DJANGO_SETTINGS_MODULE=legato_payments.settings.test \\
        python -m tests.gateways.independent_signer http://127.0.0.1:8420

localstripe is under the GPL, so it is neither a requirement nor part of the tests.
"""

import sys
import time
import urllib.parse
import urllib.request
from datetime import UTC, datetime

import django
from django.conf import settings

from tests.peers.receiver import Receiver

SECRET = "whsec_of_the_independent_signer"
WAIT_SECONDS = 10


def _post(address: str, fields: dict[str, str]) -> None:
    made = urllib.request.Request(address, data=urllib.parse.urlencode(fields).encode())
    made.add_header("Authorization", "Bearer sk_test_independent")
    with urllib.request.urlopen(made, timeout=WAIT_SECONDS):
        pass


def main(address: str) -> int:
    """Make it send an event, and check that the adapter takes it and refuses a forgery of it."""
    django.setup()
    # Only now: the adapter reads the settings.
    from payments.gateways.base import SignatureInvalid  # noqa: PLC0415
    from payments.gateways.stripe.gateway import StripeGateway  # noqa: PLC0415

    settings.STRIPE_SECRET_KEY = "sk_test_independent"
    settings.STRIPE_WEBHOOK_SECRETS = [SECRET]
    with Receiver() as receiver:
        _post(f"{address}/_config/webhooks/legato", {"url": receiver.url, "secret": SECRET})
        _post(f"{address}/v1/customers", {"email": "ada@example.com"})
        end = time.monotonic() + WAIT_SECONDS
        while not receiver.deliveries and time.monotonic() < end:
            time.sleep(0.1)
        if not receiver.deliveries:
            print("localstripe sent nothing", file=sys.stderr)
            return 1
        delivery = receiver.deliveries[0]
    headers = {"Stripe-Signature": delivery.headers["stripe-signature"]}
    now = datetime.now(UTC)
    (event,) = StripeGateway().verify(delivery.body, headers, now=now)
    print(f"taken: {event.raw_kind} {event.dedupe_key}")
    try:
        StripeGateway().verify(delivery.body + b" ", headers, now=now)
    except SignatureInvalid as refusal:
        print(f"a forgery of it: refused ({refusal.code})")
        return 0
    print("a forgery of it was taken", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
