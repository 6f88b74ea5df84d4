"""Sending the sandbox's webhooks, as its servers would."""

from datetime import datetime, timedelta

import requests
import structlog
from django.conf import settings

from legato_payments.lib import http
from legato_payments.lib.jobs import backoff
from payments.gateways.sandbox import signatures
from payments.models import SandboxDelivery

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=60)


def deliver(*, delivery_id: int, now: datetime) -> None:
    """Post one signed event to our own endpoint; try again later unless it is answered with 2xx."""
    delivery = SandboxDelivery.objects.claim(pk=delivery_id, now=now, lease=LEASE)
    if delivery is None:
        return
    body = bytes(delivery.body)
    signature = signatures.sign(body, secret=settings.SANDBOX_WEBHOOK_SECRET, now=now)
    try:
        answer = http.session().post(
            f"{settings.PUBLIC_URL}/api/v1/payments/webhooks/sandbox",
            data=body,
            headers={"Content-Type": "application/json", signatures.HEADER: signature},
        )
        answer.raise_for_status()
        # A redirect is no receipt: nobody followed it, so nobody has read the event.
        if answer.status_code >= 300:
            raise requests.HTTPError(f"answered with {answer.status_code}", response=answer)
    except requests.RequestException as error:
        log.warning("sandbox_webhook_not_delivered", delivery_id=delivery_id, error=str(error))
        delivery.postpone(until=now + backoff(delivery.attempts))
    else:
        delivery.delivered_at = now
        delivery.finish()
    delivery.save()
