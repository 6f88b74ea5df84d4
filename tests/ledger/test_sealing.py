"""The hash chain over the books: sealed once, in order, and every change of the past is found"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from io import StringIO

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import Sum

from access.services import content, gifts, refunds, tips
from payments import audit
from payments.ledger import invariants, sealing
from payments.models import AccountDay, Entry, Period, Seal, Transaction, Unsealed
from payments.services import campaigns, periods
from tests import databases, factories
from tests.factories import NOW, READER, WRITER

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def books() -> None:
    """A taxed purchase and its fee, two chapters, one given back, a gift, a grant and a tip."""
    factories.register("CA")
    factories.register("CA-QC")
    factories.buy_coins(name="Reader Pack", country="CA", region="QC")
    factories.put_content("chapter-4", price=10)
    factories.put_content("chapter-5", price=10)
    content.buy(user_id=READER, content_id="chapter-4", now=NOW, actor="user:reader-1")
    bought = content.buy(user_id=READER, content_id="chapter-5", now=NOW, actor="user:reader-1")
    assert bought.entitlement.transaction_id is not None
    refunds.refund(
        transaction_id=bought.entitlement.transaction_id,
        reason="boring",
        actor="user:reader-1",
        now=NOW,
    )
    gifts.send_coins(
        sender_id=READER, recipient_id="reader-2", coins=10, now=NOW, actor="user:reader-1"
    )
    campaign = campaigns.create(
        name="Welcome",
        terms=campaigns.Terms(
            budget_coins=100,
            value_per_coin_micros=0,
            expires_after_days=30,
            per_user_coins=20,
            starts_at=NOW,
            ends_at=NOW + timedelta(days=9),
        ),
        actor="system:test",
        reason="test",
        now=NOW,
    )
    campaigns.grant_all(
        user_ids=["reader-2"],
        campaign_id=campaign.pk,
        coins=5,
        key="welcome",
        actor="system:test",
        now=NOW,
    )
    tips.send(sender_id=READER, recipient_id=WRITER, coins=20, now=NOW, actor="user:reader-1")
    audit.record(
        actor="staff:1", action="test.done", object_type="test", object_id="1", now=NOW, after={}
    )


GUARDED = (
    "payments_transaction",
    "payments_entry",
    "payments_lotuse",
    "payments_seal",
    "payments_auditentry",
    "payments_auditseal",
    "payments_promogrant",
    "payments_purchasetaxline",
    "revenue_earning",
    "access_tip",
    "access_coingift",
    "access_contentrefund",
)
"""Tables that refuse to be changed."""


@contextmanager
def intruder() -> Iterator[psycopg.Connection]:
    """Somebody with a superuser's connection, for whom no trigger fires."""
    with databases.connect(connection.settings_dict["NAME"]) as superuser:
        superuser.execute("SET session_replication_role = replica")
        for table in GUARDED:
            superuser.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        try:
            yield superuser
        finally:
            for table in GUARDED:
                superuser.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def findings() -> dict[str, list[str]]:
    """What does not add up, by check."""
    found: dict[str, list[str]] = {}
    for discrepancy in invariants.discrepancies():
        found.setdefault(discrepancy.check, []).append(discrepancy.place)
    return found


def test_every_transaction_is_sealed_once_without_a_gap(books: None) -> None:
    count = Transaction.objects.count()

    assert sealing.seal_all(now=NOW) == count
    assert sealing.seal_all(now=NOW) == 0
    sequences = list(Seal.objects.order_by("sequence").values_list("sequence", flat=True))
    assert sequences == list(range(1, count + 1))
    assert not Unsealed.objects.exists()
    assert findings() == {}


def test_small_batches_make_the_same_chain_as_one(books: None) -> None:
    while sealing.seal(now=NOW, limit=1):
        pass

    assert findings() == {}
    assert Seal.objects.count() == Transaction.objects.count()


def test_daily_sums_are_those_of_the_entries(books: None) -> None:
    sealing.seal_all(now=NOW)

    by_account = Entry.objects.values("account_id").annotate(net=Sum("amount"))
    for row in by_account:
        days = AccountDay.objects.filter(account_id=row["account_id"], day=NOW.date())
        sums = days.aggregate(debits=Sum("debits"), credits=Sum("credits"))
        assert sums["debits"] - sums["credits"] == row["net"]


def test_sealers_that_meet_seal_each_transaction_once() -> None:
    for number in range(12):
        factories.buy_coins(f"reader-{number}", "Starter Pack")

    def seal(_: int) -> int:
        try:
            return sealing.seal_all(now=NOW)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        sealed = sum(pool.map(seal, range(8)))

    sealed += sealing.seal_all(now=NOW)
    assert sealed == Transaction.objects.count() == Seal.objects.count()
    assert findings() == {}


CORRUPTIONS = {
    "a bit of an amount": (
        "UPDATE payments_entry SET amount = amount # 1 WHERE id = (SELECT min(id) FROM"
        " payments_entry)",
        {"chain", "balance"},
    ),
    "two amounts that cancel out": (
        "UPDATE payments_entry SET amount = amount + sign(amount) WHERE transaction_id ="
        " (SELECT transaction_id FROM payments_lotuse ORDER BY id LIMIT 1) AND unit = 'COIN'",
        {"chain", "wallets", "coins_issued"},
    ),
    "a deleted entry": (
        "DELETE FROM payments_entry WHERE id = (SELECT max(id) FROM payments_entry)",
        {"chain", "balance", "lines"},
    ),
    "an inserted entry": (
        "INSERT INTO payments_entry (transaction_id, line, account_id, unit, amount) SELECT"
        " transaction_id, 99, account_id, unit, 5 FROM payments_entry LIMIT 1",
        {"chain", "balance", "lines"},
    ),
    "a deleted transaction": (
        "DELETE FROM payments_entry WHERE transaction_id = (SELECT id FROM payments_transaction"
        " WHERE kind = 'TIP'); DELETE FROM payments_transaction WHERE kind = 'TIP'",
        {"chain"},
    ),
    "another memo": (
        "UPDATE payments_transaction SET memo = 'x' WHERE kind = 'TIP'",
        {"chain"},
    ),
    "another actor": (
        "UPDATE payments_transaction SET actor = 'user:x' WHERE kind = 'TIP'",
        {"chain"},
    ),
    "swapped seals": (
        "UPDATE payments_seal a SET hash = b.hash FROM payments_seal b WHERE a.sequence = 1 AND"
        " b.sequence = 2",
        {"chain"},
    ),
    "two links that changed places": (
        "UPDATE payments_seal SET sequence = -1 WHERE sequence = 1; UPDATE payments_seal SET"
        " sequence = 1 WHERE sequence = 2; UPDATE payments_seal SET sequence = 2 WHERE"
        " sequence = -1",
        {"chain"},
    ),
    "a deleted seal": ("DELETE FROM payments_seal WHERE sequence = 2", {"chain", "unsealed"}),
    "a moved position": (
        "UPDATE payments_lotuse SET to_coin = to_coin + 1 WHERE id = (SELECT max(id) FROM"
        " payments_lotuse)",
        {"chain", "positions", "lots"},
    ),
    "a drifted balance": (
        "UPDATE payments_coinbalance SET coins = coins + 1, purchased = purchased + 1",
        {"wallets", "coins_issued"},
    ),
    "a drifted lot": (
        "UPDATE payments_coinlot SET next_coin = next_coin + 1",
        {"lots", "wallets", "coins_deferred"},
    ),
    "a lot worth more": (
        "UPDATE payments_coinlot SET value_micros = value_micros + 1000",
        {"chain", "coins_deferred"},
    ),
    "a drifted day": (
        "UPDATE payments_accountday SET debits = debits + 1 WHERE id = (SELECT min(id) FROM"
        " payments_accountday)",
        {"days"},
    ),
    "a forged audit entry": (
        "UPDATE payments_auditentry SET actor = 'staff:9' WHERE action = 'test.done'",
        {"audit chain"},
    ),
    "a purchase of more coins": (
        "UPDATE payments_purchase SET bonus_coins = bonus_coins + 1",
        {"purchases"},
    ),
    "a purchase of more tax": (
        "UPDATE payments_purchase SET tax_micros = tax_micros + 10000",
        {"purchase taxes"},
    ),
    "tax that moved to another office": (
        "UPDATE payments_purchasetaxline SET jurisdiction = 'CA-ON' WHERE jurisdiction = 'CA'",
        {"purchase taxes"},
    ),
    "tax of another amount": (
        "UPDATE payments_purchasetaxline SET amount_micros = amount_micros + 10000; UPDATE"
        " payments_purchase SET tax_micros = tax_micros + 20000",
        {"purchase taxes"},
    ),
    "a drifted campaign": (
        "UPDATE payments_campaign SET coins_granted = coins_granted - 1",
        {"campaigns"},
    ),
    "a grant of more coins": ("UPDATE payments_promogrant SET coins = 6", {"campaigns"}),
    "an earning of a micro more": (
        "UPDATE revenue_earning SET amount_micros = amount_micros + 1 WHERE id ="
        " (SELECT min(id) FROM revenue_earning)",
        {"earnings"},
    ),
    "an earning of another writer": (
        "UPDATE revenue_earning SET writer_id = 'writer-9' WHERE stream = 'TIP'",
        {"earnings"},
    ),
    "a deleted earning": ("DELETE FROM revenue_earning WHERE stream = 'TIP'", {"earnings"}),
    "a reversal that matures later": (
        "UPDATE revenue_earning SET matures_at = matures_at + interval '1 day'"
        " WHERE reverses_id IS NOT NULL",
        {"reversed earnings"},
    ),
    "a right to what was given back": (
        "UPDATE access_entitlement SET revoked_at = NULL WHERE content_id = 'chapter-5'",
        {"rights"},
    ),
    "a deleted right": (
        "DELETE FROM access_entitlement WHERE content_id = 'chapter-4'",
        {"rights"},
    ),
    "a tip of more coins": ("UPDATE access_tip SET coins = coins + 1", {"tips"}),
    "a gift of fewer coins": ("UPDATE access_coingift SET coins = coins - 1", {"gifts"}),
    "a refund of another purchase": (
        "UPDATE access_contentrefund SET entitlement_id ="
        " (SELECT id FROM access_entitlement WHERE content_id = 'chapter-4')",
        {"content refunds"},
    ),
    "two audit links that changed places": (
        "UPDATE payments_auditseal SET sequence = -1 WHERE sequence = 1; UPDATE payments_auditseal"
        " SET sequence = 1 WHERE sequence = 2; UPDATE payments_auditseal SET sequence = 2 WHERE"
        " sequence = -1",
        {"audit chain"},
    ),
    "a deleted audit entry": (
        "DELETE FROM payments_auditentry WHERE action = 'test.done'",
        {"audit chain"},
    ),
}


@pytest.mark.parametrize("planted", CORRUPTIONS)
def test_a_planted_corruption_is_found_and_located(books: None, planted: str) -> None:
    sealing.seal_all(now=NOW)
    sealing.seal_audit(now=NOW)
    assert findings() == {}
    statement, expected = CORRUPTIONS[planted]

    with intruder() as superuser:
        superuser.execute(statement)

    found = findings()
    assert expected <= found.keys()
    assert all(places for places in found.values())


def test_the_command_fails_loudly_on_a_finding(books: None) -> None:
    sealing.seal_all(now=NOW)
    out = StringIO()
    call_command("verify_ledger", stdout=out)
    assert "everything adds up" in out.getvalue()

    with intruder() as superuser:
        superuser.execute("UPDATE payments_transaction SET memo = 'x' WHERE kind = 'TIP'")

    out = StringIO()
    with pytest.raises(SystemExit) as stopped:
        call_command("verify_ledger", stdout=out)
    assert stopped.value.code == 1
    assert str(Transaction.objects.get(kind="TIP").pk) in out.getvalue()


def test_one_changed_row_is_one_finding_of_the_chain(books: None) -> None:
    sealing.seal_all(now=NOW)

    with intruder() as superuser:
        superuser.execute(
            "UPDATE payments_transaction SET memo = 'x' WHERE id = (SELECT transaction_id FROM"
            " payments_seal WHERE sequence = 1)"
        )

    assert len(findings()["chain"]) == 1


class TestPeriods:
    OCTOBER = date(2026, 10, 1)
    IN_OCTOBER = datetime(2026, 10, 20, tzinfo=UTC)

    def close(self) -> Period:
        periods.begin_closing(month=self.OCTOBER, actor="staff:1", now=NOW)
        return periods.finish_closing(month=self.OCTOBER, actor="staff:1", now=NOW)

    def test_what_comes_late_stands_in_the_next_month_with_its_true_time(self) -> None:
        factories.buy_coins("ann", "Starter Pack", now=self.IN_OCTOBER)

        closed = self.close()
        late = factories.buy_coins("bob", "Starter Pack", now=self.IN_OCTOBER)

        assert closed.status == Period.Status.CLOSED
        posted = Transaction.objects.get(pk=late.pk)
        assert posted.posted_on == date(2026, 11, 1)
        assert posted.occurred_at == self.IN_OCTOBER
        sealing.seal_all(now=NOW)
        assert findings() == {}

    def test_its_root_is_the_chain_at_its_last_transaction(self) -> None:
        factories.buy_coins("ann", "Starter Pack", now=self.IN_OCTOBER)

        closed = self.close()

        head = sealing.head()
        assert head is not None
        assert (closed.last_sequence, closed.sealed_root) == (head.sequence, head.hash)

    def test_waits_for_a_transaction_that_began_before(self) -> None:
        factories.buy_coins("ann", "Starter Pack", now=self.IN_OCTOBER)
        with psycopg.connect(**connection.get_connection_params()) as other:
            other.execute("SELECT 1")

            periods.begin_closing(month=self.OCTOBER, actor="staff:1", now=NOW)
            with pytest.raises(periods.StillMoving):
                periods.finish_closing(month=self.OCTOBER, actor="staff:1", now=NOW)
            assert Period.objects.get().status == Period.Status.CLOSING

        assert self.close_again().status == Period.Status.CLOSED

    def close_again(self) -> Period:
        return periods.finish_closing(month=self.OCTOBER, actor="staff:1", now=NOW)

    def test_a_month_that_is_not_over_stays_open(self) -> None:
        with pytest.raises(periods.PeriodNotOver):
            periods.begin_closing(month=date(2026, 11, 1), actor="staff:1", now=NOW)

        assert not Period.objects.exists()

    def test_a_closed_month_is_not_closed_again(self) -> None:
        self.close()

        with pytest.raises(periods.PeriodClosed):
            self.close()

    def test_months_close_in_order(self) -> None:
        factories.buy_coins("ann", "Starter Pack", now=self.IN_OCTOBER - timedelta(days=40))

        with pytest.raises(periods.EarlierPeriodOpen):
            self.close()

        assert not Period.objects.exists()
