"""What a run asks of growing tables has an index"""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet

from payments.models import Purchase, Refund
from payments.queries.gateway_books import AT_ONCE
from payments.services.reconciliation_charges import PAID
from payments.services.reconciliation_refunds import MUST_BE_THERE
from tests.factories import NOW

pytestmark = pytest.mark.django_db

DAY = (NOW, NOW + timedelta(days=1))

MANY = [f"id_{number}" for number in range(AT_ONCE)]


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        (
            Purchase.objects.filter(provider="STRIPE", created_at__range=DAY, status__in=PAID),
            "payments_purchase_paid",
        ),
        (
            Refund.objects.filter(requested_at__range=DAY, status__in=MUST_BE_THERE),
            "payments_refund_requested",
        ),
        (Refund.objects.filter(gateway_id="re_1"), "payments_refund_gateway_id"),
        (Purchase.objects.filter(provider="STRIPE", payment_id__in=MANY), "purchase_payment_id"),
        (Purchase.objects.filter(provider="STRIPE", gateway_id__in=MANY), "purchase_gateway_id"),
    ],
    ids=[
        "purchases of a day",
        "refunds of a day",
        "a refund by the gateway's id",
        "many payments",
        "many pages",
    ],
)
def test_is_found_by_an_index(asked: QuerySet[Any], index: str) -> None:
    with connection.cursor() as cursor:
        # Tables are empty here, so that reading them whole is cheapest.
        cursor.execute("SET LOCAL enable_seqscan = off")

    assert index in asked.explain()
