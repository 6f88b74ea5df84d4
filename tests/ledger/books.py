"""The books as the proofs look at them: balances, what moved, and whether everything adds up."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from django.apps import apps
from django.db import connection
from django.db.models import F, Sum
from django.db.transaction import atomic

from legato_payments.lib.ids import uuid7
from payments import ledger
from payments.enums import LotOrigin
from payments.ledger import balances, templates
from payments.ledger.chart import AccountRef
from payments.models import CoinBalance, CoinLot, Entry
from tests.factories import NOW, READER

OUR_APPS = ("payments", "revenue", "access")
KEYS = "payments_idempotencykey"


def balance(account: AccountRef) -> int:
    """The sum of an account's entries: debits positive."""
    entries = Entry.objects.filter(
        account__code=account.code, account__owner_id=account.owner_id, unit=account.unit
    )
    total: int = entries.aggregate(total=Sum("amount", default=0))["total"]
    return total


def lines_of(transaction_id: UUID) -> list[tuple[str, str, str, int]]:
    """The lines of a transaction in order: account code, owner, unit, amount."""
    entries = Entry.objects.filter(transaction=transaction_id).order_by("line")
    return list(entries.values_list("account__code", "account__owner_id", "unit", "amount"))


def fingerprint(*, with_keys: bool = False) -> dict[str, str]:
    """Digests of the rows of all our tables: equal before and after means that nothing moved.

    The answers kept under idempotency keys count only ``with_keys``: a business refusal is kept.
    """
    models = [model for app in OUR_APPS for model in apps.get_app_config(app).get_models()]
    tables = sorted(model._meta.db_table for model in models)
    wanted = [table for table in tables if with_keys or table != KEYS]
    parts = [
        f"SELECT '{table}', md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) "
        f"FROM {table} t"
        for table in wanted
    ]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts))
        return dict(cursor.fetchall())


@atomic
def give(
    coins: int,
    *,
    user_id: str = READER,
    value: int = 0,
    is_purchased: bool = False,
    expires_at: datetime | None = None,
    now: datetime = NOW,
) -> CoinLot:
    """Coins in a wallet and in the books. Promotional ones unless ``is_purchased``.

    A purchase at the price of ``value``, maybe nothing, stands in for whatever brought them.
    """
    wallet = balances.lock(user_id=user_id)
    key = uuid7()
    transaction_id = ledger.post(
        templates.coin_purchase(
            user_id=user_id,
            coins=coins,
            provider="SANDBOX",
            currency="USD",
            price=value,
            taxes={},
            value=value,
        ),
        header(f"given:{key}", now=now),
    )
    lot = CoinLot(
        origin=LotOrigin.PURCHASE if is_purchased else LotOrigin.PROMO,
        is_purchased=is_purchased,
        coins=coins,
        value_micros=value,
        transaction_id=transaction_id,
        priority=CoinLot.PAID_PRIORITY if is_purchased else CoinLot.PROMO_PRIORITY,
        expires_at=expires_at,
        created_at=now,
    )
    return balances.issue(wallet=wallet, lot=lot)


def freeze(lot: CoinLot) -> None:
    """Put a lot on hold as a dispute does: its coins are still the reader's, but held."""
    CoinLot.objects.filter(pk=lot.pk).update(frozen_by="dispute:1")
    left = lot.coins - lot.next_coin
    kind = "purchased" if lot.is_purchased else "promo"
    CoinBalance.objects.filter(pk=lot.wallet_id).update(
        coins=F("coins") - left, held=F("held") + left, **{kind: F(kind) - left}
    )


def header(key: str, *, now: datetime = NOW, **facts: object) -> ledger.Header:
    """What a test's transaction says of itself."""
    given: dict[str, object] = {"source_type": "test", "source_id": key[-64:], "actor": "system:x"}
    return ledger.Header(key=key, occurred_at=now, **{**given, **facts})  # type: ignore[arg-type]


def assert_sound() -> None:
    """The published invariants (ledger.md, section 6) hold, to the micro."""
    found = list(_discrepancies())
    assert not found, found
    # And what is checked at commit only: every header has its lines, every key its row.
    connection.check_constraints()


def _discrepancies() -> Iterator[tuple[str, str]]:
    parts = [f"SELECT '{name}', bad::text FROM ({query}) bad" for name, query in _CHECKS.items()]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts))
        yield from cursor.fetchall()


_LEFT = "sum(l.coins - l.next_coin)"
_UNRELEASED = "sum(l.value_micros - div(l.value_micros::numeric * l.next_coin, l.coins))"
_BALANCE = """
    coalesce((SELECT sum(e.amount) FROM payments_entry e
              JOIN payments_account a ON a.id = e.account_id WHERE a.code = '{code}'), 0)
"""

# Each finds the rows that break it.
_CHECKS = {
    "trial balance": """
        SELECT unit, sum(amount) FROM payments_entry GROUP BY unit HAVING sum(amount) <> 0
    """,
    "transactions balance one by one": """
        SELECT transaction_id, unit FROM payments_entry
        GROUP BY transaction_id, unit HAVING sum(amount) <> 0
    """,
    "coins deferred are worth the unused coins": f"""
        SELECT owed, worth FROM (
            SELECT -{_BALANCE.format(code="coins_deferred")} AS owed,
                   coalesce({_UNRELEASED}, 0) AS worth
            FROM payments_coinlot l) x
        WHERE owed <> worth
    """,
    "coins issued are in wallets": f"""
        SELECT issued, held FROM (
            SELECT {_BALANCE.format(code="coins_issued")} AS issued,
                   coalesce(sum(coins + held), 0) AS held FROM payments_coinbalance) x
        WHERE issued <> held
    """,
    "a wallet holds what its lots hold": f"""
        SELECT w.user_id, w.purchased, w.promo, w.held, x.* FROM payments_coinbalance w
        LEFT JOIN LATERAL (
            SELECT coalesce({_LEFT} FILTER (WHERE frozen_by = '' AND is_purchased), 0) AS paid,
                   coalesce({_LEFT} FILTER (WHERE frozen_by = '' AND NOT is_purchased), 0) AS promo,
                   coalesce({_LEFT} FILTER (WHERE frozen_by <> ''), 0) AS held
            FROM payments_coinlot l WHERE l.wallet_id = w.id) x ON true
        WHERE (w.purchased, w.promo, w.held) <> (x.paid, x.promo, x.held)
    """,
    "a wallet holds what its account says": """
        SELECT w.user_id, w.coins + w.held, -coalesce(sum(e.amount), 0)
        FROM payments_coinbalance w LEFT JOIN payments_entry e ON e.account_id = w.account_id
        GROUP BY w.id HAVING w.coins + w.held <> -coalesce(sum(e.amount), 0)
    """,
    "lots are used from the first coin on, without gaps": """
        SELECT l.id, l.next_coin, sum(u.to_coin - u.from_coin), max(u.to_coin)
        FROM payments_coinlot l LEFT JOIN payments_lotuse u ON u.lot_id = l.id
        GROUP BY l.id
        HAVING coalesce(sum(u.to_coin - u.from_coin), 0) <> l.next_coin
            OR coalesce(max(u.to_coin), 0) <> l.next_coin
            OR coalesce(sum(u.value_micros), 0)
               <> div(l.value_micros::numeric * l.next_coin, l.coins)
    """,
    "writers are owed what they earned": """
        SELECT * FROM (
            SELECT a.owner_id, -sum(e.amount) AS owed FROM payments_entry e
            JOIN payments_account a ON a.id = e.account_id
            WHERE a.code = 'writer' GROUP BY a.owner_id) books
        FULL JOIN (
            SELECT writer_id, sum(amount_micros) AS earned FROM revenue_earning
            GROUP BY writer_id) rows ON rows.writer_id = books.owner_id
        WHERE coalesce(owed, 0) <> coalesce(earned, 0)
    """,
}
