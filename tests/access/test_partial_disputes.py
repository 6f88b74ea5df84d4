"""A dispute of a part of a payment, which the unused coins cover"""

import pytest

from access.services import content, dispute_losses
from payments.models import CoinBalance, Dispute, DisputeLoss
from revenue.models import Earning
from tests import factories, money_back
from tests.factories import NOW, READER

pytestmark = pytest.mark.django_db


@pytest.fixture(params=Dispute.Policy.values)
def case(request: pytest.FixtureRequest) -> Dispute:
    """0.50 of a Starter Pack of 0.99 USD: 33 of its 100 coins are spent, a coin is worth 0.0099."""
    purchase = factories.buy_coins(name="Starter Pack")
    factories.put_content("chapter-4", price=33)
    content.buy(user_id=READER, content_id="chapter-4", now=NOW, actor="user:reader-1")
    case = money_back.dispute(purchase, amount_minor=50)
    Dispute.objects.filter(pk=case.pk).update(policy=request.param)
    return case


def test_takes_unused_coins_only_and_the_rest_of_a_coin_is_our_loss(case: Dispute) -> None:
    money_back.lose(case)

    loss = DisputeLoss.objects.get()
    assert (loss.coins, loss.unused_micros) == (50, 495_000)
    assert (loss.writers_micros, loss.reader_micros) == (0, 0)
    assert loss.platform_micros == 5_000
    assert not Earning.objects.filter(claws_back__isnull=False).exists()


def test_lets_the_reader_spend_what_is_left(case: Dispute) -> None:
    money_back.lose(case)

    wallet = CoinBalance.objects.get(user_id=READER)
    assert (wallet.coins, wallet.held) == (17, 0)
    assert (wallet.blocked_by, wallet.debt_micros) == ("", 0)


def test_the_preview_says_the_same(case: Dispute) -> None:
    impact = dispute_losses.preview(dispute_id=case.pk, now=NOW)

    assert impact.is_covered
    assert impact.spent == ()
    assert sum(impact.coins.values()) == 50
