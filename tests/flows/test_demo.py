"""manage.py demo: months that add up, the same for the same seed"""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command

from access.management.months import Months
from payments.enums import Provider
from payments.gateways.values import Window
from payments.ledger import invariants, sealing
from payments.models import (
    BankReceipt,
    CoinBalance,
    CoinLot,
    Period,
    PurchaseTaxLine,
    Settlement,
    Transaction,
)
from payments.queries import settlements
from payments.services import reconciliation
from tests import factories


def months() -> Months:
    """Three weeks of a small platform, across a month's end."""
    start = datetime(2026, 9, 20, tzinfo=UTC)
    return Months(start=start, days=21, readers=12, writers=4, seed=3)


@pytest.mark.django_db
def test_some_weeks_of_everything_add_up() -> None:
    story = months()

    days = list(story.live())

    assert len(days) == 21
    assert story.tally.purchases > 3
    assert story.tally.chapters > 20
    assert Settlement.objects.filter(status=Settlement.Status.PAID).exists()
    assert {lot.origin for lot in CoinLot.objects.all()} >= {"PURCHASE", "PROMO", "TRANSFER"}
    taxed = PurchaseTaxLine.objects.filter(purchase__status="SUCCEEDED")
    assert set(taxed.values_list("jurisdiction", flat=True)) >= {"CA", "CA-QC", "NG"}
    sealing.seal_all(now=days[-1])
    assert list(invariants.discrepancies()) == []
    assert_nothing_is_open(days)


def assert_nothing_is_open(days: list[datetime]) -> None:
    """Neither between us and the gateway nor, for the month that is over, at the bank."""
    window = Window(days[0], days[-1] + timedelta(days=1))
    report = reconciliation.reconcile(provider=Provider.SANDBOX, window=window, now=window.end)
    assert not report.open
    received = BankReceipt.objects.filter(booked_on__month=9)
    assert received.exists()
    assert not received.open().exists()
    assert not settlements.overdue(on=date(2026, 10, 6)).exists()


@pytest.mark.django_db
def test_refuses_where_there_are_books_already() -> None:
    factories.buy_coins(name="Starter Pack")

    with pytest.raises(CommandError, match="There are books already"):
        call_command("demo")

    assert CoinBalance.objects.get().coins == 100
    assert Transaction.objects.count() == 2
    assert not Period.objects.exists()
