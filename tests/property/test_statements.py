"""Whatever was posted, sealed and closed in whatever order: a balance of a day is its entries'"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db.models import Sum
from django.db.transaction import atomic, set_rollback
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from payments import ledger
from payments.ledger import balances, sealing, templates
from payments.ledger.templates import Draft
from payments.models import Account, Entry, Period, Transaction, Unsealed
from payments.queries import statements
from payments.services import periods
from tests.factories import NOW
from tests.ledger import books

FIRST = datetime(2026, 8, 1, tzinfo=UTC)
MONTHS = [date(2026, month, 1) for month in (8, 9, 10)]
"""Those that are over, and so can be closed."""

readers = st.sampled_from(["ann", "bob"])
coins = st.integers(1, 50)
micros = st.integers(1, 10**7)
moments = st.builds(
    lambda days, hours: FIRST + timedelta(days=days, hours=hours),
    st.integers(0, 110),
    st.integers(0, 23),
)
purchases = st.builds(
    lambda reader, coins, currency, price, tax: templates.coin_purchase(
        user_id=reader,
        coins=coins,
        provider="SANDBOX",
        currency=currency,
        price=price,
        taxes={"CA": tax},
        value=price,
    ),
    readers,
    coins,
    st.sampled_from(["USD", "CAD", "NGN"]),
    micros,
    micros,
)
tips = st.builds(
    lambda reader, coins, value, share: templates.tip(
        user_id=reader, coins=coins, value=value, shares={"dan": value * share // 100}
    ),
    readers,
    coins,
    micros,
    st.integers(1, 99),
)
posts = st.tuples(st.one_of(purchases, tips), moments)
seals = st.integers(1, 4)
steps = st.lists(st.one_of(posts, posts, posts, seals, st.just("close")), min_size=4, max_size=25)


@contextmanager
def undone() -> Iterator[None]:
    """Forget it all afterwards, so that the next example starts on empty books."""
    with atomic():
        yield
        set_rollback(True)


def live(what: list[tuple[Draft, datetime] | int | str]) -> None:
    """Post, seal some, and close the next month, in this order."""
    for reader in ("ann", "bob"):
        balances.open_wallet(user_id=reader)
    to_close = iter(MONTHS)
    for at, step in enumerate(what):
        if isinstance(step, int):
            sealing.seal(now=NOW, limit=step)
        elif isinstance(step, str):
            if month := next(to_close, None):
                periods.begin_closing(month=month, actor="staff:1", now=NOW)
                periods.finish_closing(month=month, actor="staff:1", now=NOW)
        else:
            draft, occurred_at = step
            ledger.post(draft, books.header(f"step:{at}", now=occurred_at))


def by_entries(day: date) -> dict[int, int]:
    """What the entries of each account sum up to, on its normal side, one by one."""
    posted = Entry.objects.filter(transaction__posted_on__lte=day)
    sums = posted.values_list("account", "account__normal_side").annotate(Sum("amount"))
    return {account: side * net for account, side, net in sums}


def days_to_look_at() -> list[date]:
    """Around every posting, and the ends of the months."""
    posted = Transaction.objects.values_list("posted_on", flat=True).distinct()
    around = {day + timedelta(days=more) for day in posted for more in (-1, 0)}
    return sorted(around | {month - timedelta(days=1) for month in MONTHS} | {date(2026, 12, 1)})


@pytest.mark.django_db
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(what=steps)
def test_a_balance_of_a_day_is_the_sum_of_the_entries_posted_until_then(
    what: list[tuple[Draft, datetime] | int | str],
) -> None:
    with undone():
        live(what)
        event(f"unsealed: {Unsealed.objects.exists()}, closed months: {Period.objects.count()}")
        accounts = list(Account.objects.all())

        for day in days_to_look_at():
            expected = by_entries(day)
            listed = statements.trial_balance(on=day)
            assert statements.balances(accounts, on=day) == {
                account.pk: expected.get(account.pk, 0) for account in accounts
            }
            assert {(row.code, row.owner_id, row.unit): row.net for row in listed} == {
                (account.code, account.owner_id, account.unit): account.normal_side * held
                for account in accounts
                if (held := expected.get(account.pk)) is not None
            }
            assert set(statements.differences(listed).values()) <= {0}

        for account in accounts:
            for month in statements.months(account):
                last = (month.month + timedelta(days=32)).replace(day=1) - timedelta(days=1)
                before = month.month - timedelta(days=1)
                assert month.opening == by_entries(before).get(account.pk, 0)
                assert month.closing == by_entries(last).get(account.pk, 0)
                moved = month.debits - month.credits
                assert month.closing - month.opening == account.normal_side * moved


@pytest.mark.django_db
def test_what_comes_late_changes_no_balance_of_a_closed_month() -> None:
    october = datetime(2026, 10, 20, tzinfo=UTC)
    end = date(2026, 10, 31)
    live([(purchase_of(100), october)])
    periods.begin_closing(month=date(2026, 10, 1), actor="staff:1", now=NOW)
    periods.finish_closing(month=date(2026, 10, 1), actor="staff:1", now=NOW)
    closed = statements.trial_balance(on=end)

    ledger.post(purchase_of(7), books.header("late", now=october))

    assert statements.trial_balance(on=end) == closed
    [wallet] = Account.objects.filter(code="wallet", owner_id="ann")
    late = [(month.month, month.opening, month.closing) for month in statements.months(wallet)]
    assert late == [(date(2026, 10, 1), 0, 100), (date(2026, 11, 1), 100, 107)]
    for _ in range(2):  # first waiting for its seal, then sealed
        assert statements.balances([wallet], on=date(2026, 11, 1)) == {wallet.pk: 107}
        assert statements.balances([wallet], on=end) == {wallet.pk: 100}
        sealing.seal_all(now=NOW)


def purchase_of(coins: int) -> Draft:
    """Coins for a reader at a cent each."""
    return templates.coin_purchase(
        user_id="ann",
        coins=coins,
        provider="SANDBOX",
        currency="USD",
        price=coins * 10_000,
        taxes={},
        value=coins * 10_000,
    )
