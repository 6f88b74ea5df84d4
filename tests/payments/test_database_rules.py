"""What the database refuses of purchases, keys, campaigns, packages and months"""

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from django.db import IntegrityError
from django.db.models import F
from django.db.transaction import atomic

from payments.models import Campaign, CoinPackage, IdempotencyKey, Period, Purchase
from payments.services import campaigns
from tests import factories
from tests.factories import NOW
from tests.ledger import books

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _rows() -> None:
    """A settled purchase, an open one, a key that is at work, a campaign and an open month."""
    factories.buy_coins(name="Starter Pack")
    factories.start_purchase(name="Starter Pack")
    IdempotencyKey.objects.create(
        scope="s", key="k", fingerprint="f", created_at=NOW, expires_at=NOW + timedelta(days=1)
    )
    terms = campaigns.Terms(
        budget_coins=10, per_user_coins=10, starts_at=NOW, ends_at=NOW + timedelta(days=1)
    )
    campaigns.create(name="Winter", terms=terms, actor="staff:1", reason="x", now=NOW)
    Period.objects.create(month=date(2026, 10, 1))


FAULTS: dict[str, tuple[Callable[[], object], str]] = {
    "a settled purchase without its transaction": (
        lambda: Purchase.objects.filter(status="SUCCEEDED").update(transaction=None),
        "settled_has_transaction",
    ),
    "a purchase that is settled and open again": (
        lambda: Purchase.objects.filter(status="SUCCEEDED").update(status="PENDING"),
        "settled_has_transaction",
    ),
    "a purchase that is called settled": (
        lambda: Purchase.objects.filter(status="PENDING").update(status="SUCCEEDED"),
        "settled_has_transaction",
    ),
    "a purchase that waits for finance, nobody knows why": (
        lambda: Purchase.objects.filter(status="PENDING").update(status="QUARANTINED"),
        "quarantine_has_reason",
    ),
    "coins for nothing": (lambda: Purchase.objects.update(price_micros=0), "purchase_amounts"),
    "coins that are worth nothing": (
        lambda: Purchase.objects.update(value_micros=0),
        "purchase_amounts",
    ),
    "half of an answer under a key": (
        lambda: IdempotencyKey.objects.update(answer_status=201),
        "whole_answer",
    ),
    "a campaign above its budget": (
        lambda: Campaign.objects.update(coins_granted=F("budget_coins") + 1),
        "campaign_budget",
    ),
    "a second package that sets the price of a coin": (
        lambda: CoinPackage.objects.update(is_reference=True),
        "one_reference",
    ),
    "a closed month without the chain's hash": (
        lambda: Period.objects.update(status="CLOSED"),
        "closed_is_sealed",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_refuses(fault: str) -> None:
    attempt, constraint = FAULTS[fault]
    before = books.fingerprint(with_keys=True)

    with pytest.raises(IntegrityError, match=constraint), atomic():
        attempt()

    assert books.fingerprint(with_keys=True) == before
