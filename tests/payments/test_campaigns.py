"""payments.services.campaigns: promotional coins within a budget"""

from datetime import timedelta
from uuid import UUID

import pytest

from access.services import content
from payments.ledger import chart
from payments.models import AuditEntry, Campaign, CoinBalance, CoinLot, PromoGrant
from payments.services import campaigns
from tests import factories
from tests.concurrency.threads import Crowd, no_deadlocks
from tests.factories import NOW, READER, WRITER
from tests.ledger import books

pytestmark = pytest.mark.django_db

F = 9_900
"""Micros that a funded coin is worth here: what a coin of the Starter Pack costs."""


def campaign(
    name: str = "Winter",
    *,
    budget: int = 1_000,
    per_user: int = 200,
    value: int = 0,
    days: int = 90,
) -> Campaign:
    """A campaign that runs for a month from NOW on."""
    return campaigns.create(
        name=name,
        terms=campaigns.Terms(
            budget_coins=budget,
            per_user_coins=per_user,
            starts_at=NOW,
            ends_at=NOW + timedelta(days=30),
            value_per_coin_micros=value,
            expires_after_days=days,
        ),
        actor="staff:1",
        reason="new readers",
        now=NOW,
    )


def grant(
    campaign_id: UUID,
    coins: int = 50,
    *,
    user_id: str = READER,
    key: str = "welcome",
    **more: object,
) -> PromoGrant:
    """Coins for the reader."""
    given = {"now": NOW, "actor": "staff:1", **more}
    return campaigns.grant(
        user_id=user_id,
        campaign_id=campaign_id,
        coins=coins,
        key=key,
        **given,  # type: ignore[arg-type]
    )


def test_unfunded_coins_are_worth_nothing_and_expire() -> None:
    row = grant(campaign(days=30).pk, 50)

    lot = CoinLot.objects.get(transaction=row.transaction_id)
    assert (lot.origin, lot.coins, lot.value_micros, lot.is_purchased) == ("PROMO", 50, 0, False)
    assert (lot.priority, lot.expires_at) == (10, NOW + timedelta(days=30))
    assert books.lines_of(row.transaction_id) == [
        ("coins_issued", "", "COIN", 50),
        ("wallet", READER, "COIN", -50),
    ]
    wallet = CoinBalance.objects.get(user_id=READER)
    assert (wallet.coins, wallet.promo, wallet.lifetime_bonus) == (50, 50, 0)
    books.assert_sound()


def test_funded_coins_are_paid_by_us_and_reach_the_writer() -> None:
    row = grant(campaign(value=F).pk, 50)
    factories.put_content("chapter-4", price=20)
    content.buy(user_id=READER, content_id="chapter-4", now=NOW, actor="user:reader-1")

    assert books.lines_of(row.transaction_id) == [
        ("promo_cost", "", "USD", 50 * F),
        ("coins_deferred", "", "USD", -50 * F),
        ("coins_issued", "", "COIN", 50),
        ("wallet", READER, "COIN", -50),
    ]
    assert -books.balance(chart.writer(WRITER)) == 20 * F * 65 // 100
    assert -books.balance(chart.coins_deferred()) == 30 * F
    books.assert_sound()


def test_the_soonest_to_expire_is_spent_first_whenever_it_came() -> None:
    factories.buy_coins(name="Starter Pack")
    long = grant(campaign("Long", days=60).pk, 10)
    short = grant(campaign("Short", days=5, value=F).pk, 10)
    factories.put_content("chapter-4", price=25)

    bought = content.buy(user_id=READER, content_id="chapter-4", now=NOW, actor="user:reader-1")

    assert bought.burned is not None
    assert [(part.origin, part.coins, part.value_micros) for part in bought.burned.slices] == [
        ("PROMO", 10, 10 * F),
        ("PROMO", 10, 0),
        ("PURCHASE", 5, 5 * 9_900),
    ]
    lots = [part.lot_id for part in bought.burned.slices][:2]
    assert lots == [short.transaction.lots.get().pk, long.transaction.lots.get().pk]
    books.assert_sound()


def test_a_key_gives_once() -> None:
    winter = campaign()

    first, again = grant(winter.pk), grant(winter.pk, now=NOW + timedelta(days=60))

    assert first == again
    winter.refresh_from_db()
    assert winter.coins_granted == 50
    assert CoinBalance.objects.get().coins == 50


@pytest.mark.parametrize("other", [{"coins": 51}, {"user_id": "reader-2"}])
def test_a_key_is_not_used_for_something_else(other: dict[str, object]) -> None:
    winter = campaign()
    grant(winter.pk)
    before = books.fingerprint()

    with pytest.raises(campaigns.GrantKeyReused):
        grant(winter.pk, **other)  # type: ignore[arg-type]

    assert books.fingerprint() == before


@pytest.mark.parametrize(
    ("coins", "now", "refusal"),
    [
        (50, NOW - timedelta(microseconds=1), campaigns.CampaignNotRunning),
        (50, NOW + timedelta(days=30), campaigns.CampaignNotRunning),
        (201, NOW, campaigns.ReaderCapReached),
        (1_001, NOW, campaigns.BudgetExhausted),
    ],
)
def test_refuses_what_its_terms_do_not_allow(
    coins: int, now: object, refusal: type[Exception]
) -> None:
    winter = campaign()
    grant(winter.pk, 1, user_id=READER, key="first")
    before = books.fingerprint()

    with pytest.raises(refusal):
        grant(winter.pk, coins, now=now)

    assert books.fingerprint() == before


def test_the_cap_counts_what_a_reader_got_before() -> None:
    winter = campaign(per_user=100)
    grant(winter.pk, 60, key="one")

    with pytest.raises(campaigns.ReaderCapReached) as refusal:
        grant(winter.pk, 41, key="two")

    assert refusal.value.members == {"limit_coins": 100, "granted_coins": 60}
    grant(winter.pk, 40, key="three")
    assert CoinBalance.objects.get().coins == 100


def test_two_campaigns_have_two_names() -> None:
    campaign("Winter")

    with pytest.raises(campaigns.CampaignNameTaken):
        campaign("Winter")
    with pytest.raises(campaigns.EndsBeforeItStarts):
        campaigns.create(
            name="Backwards",
            terms=campaigns.Terms(1, 1, starts_at=NOW, ends_at=NOW),
            actor="staff:1",
            reason="x",
            now=NOW,
        )

    assert Campaign.objects.count() == 1
    assert AuditEntry.objects.filter(action="payments.campaign.created").count() == 1


def test_a_list_goes_on_after_a_refusal_and_gives_nobody_twice() -> None:
    winter = campaign(budget=100, per_user=50)
    readers = ["ann", "bob", "ann", "cyd"]
    arguments = {"user_ids": readers, "campaign_id": winter.pk, "coins": 50, "key": "batch-1"}

    granted, refused = campaigns.grant_all(**arguments, actor="staff:1", now=NOW)  # type: ignore[arg-type]
    again, _ = campaigns.grant_all(**arguments, actor="staff:1", now=NOW)  # type: ignore[arg-type]

    assert [row.user_id for row in granted] == ["ann", "bob"] == [row.user_id for row in again]
    assert [(r.user_id, type(r.error)) for r in refused] == [("cyd", campaigns.BudgetExhausted)]
    assert CoinBalance.objects.get(user_id="ann").coins == 50
    books.assert_sound()


@pytest.mark.django_db(transaction=True)
@pytest.mark.slow
def test_the_budget_holds_to_the_coin_when_many_grant_at_once() -> None:
    threads, coins = 16, 7
    winter = campaign(budget=coins * 50 + 6, per_user=coins * 4)
    crowd = Crowd(threads)

    def give(number: int) -> int:
        given = 0
        for at in range(8):
            try:
                # Two threads share a reader, so that the cap is raced for as well.
                user_id = f"reader-{number // 2}"
                grant(winter.pk, coins, user_id=user_id, key=f"{number}:{at}")
            except (campaigns.BudgetExhausted, campaigns.ReaderCapReached):
                continue
            given += 1
        return given

    with no_deadlocks():
        total = sum(crowd.run(give))

    winter.refresh_from_db()
    # Eight readers may have four grants each: the cap ends it before the budget does.
    assert total == 32
    assert winter.coins_granted == total * coins
    assert set(CoinBalance.objects.values_list("coins", flat=True)) == {coins * 4}
    books.assert_sound()


@pytest.mark.django_db(transaction=True)
@pytest.mark.slow
def test_the_last_coins_of_a_budget_go_to_as_many_as_there_are_coins_for() -> None:
    threads = 16
    winter = campaign(budget=105, per_user=10)
    crowd = Crowd(threads)

    def give(number: int) -> bool:
        try:
            grant(winter.pk, 10, user_id=f"reader-{number}", key=str(number))
        except campaigns.BudgetExhausted:
            return False
        return True

    with no_deadlocks():
        won = sum(crowd.run(give))

    winter.refresh_from_db()
    assert (won, winter.coins_granted, PromoGrant.objects.count()) == (10, 100, 10)
    books.assert_sound()
