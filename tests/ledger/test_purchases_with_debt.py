"""verify_ledger: a purchase that settled a debt has fewer coins than were ordered, or none"""

import pytest

from payments.ledger import balances, invariants
from payments.models import CoinBalance, CoinLot
from tests import factories
from tests.factories import READER

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("debt", "lots"), [(0, 1), (10_000_000, 1), (39_990_000, 0)])
def test_is_sound_whatever_the_debt_took(debt: int, lots: int) -> None:
    wallet = balances.lock(user_id=READER)
    CoinBalance.objects.filter(pk=wallet.pk).update(debt_micros=debt)

    factories.buy_coins()

    assert CoinLot.objects.count() == lots
    assert [one for one in invariants.discrepancies() if one.check == "purchases"] == []


def test_a_lot_that_is_too_small_is_still_found() -> None:
    purchase = factories.buy_coins()
    CoinLot.objects.update(coins=6_599)

    [found] = [one for one in invariants.discrepancies() if one.check == "purchases"]

    assert found.place == f"purchase {purchase.pk}"
