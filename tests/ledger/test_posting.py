"""payments.ledger.post: one balanced transaction per business event, once"""

import hashlib
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import IntegrityError
from django.db.transaction import atomic

from legato_payments.lib.ids import uuid7
from payments import ledger
from payments.ledger import Header, KeyAlreadyPosted, balances, chart, templates
from payments.ledger.templates import Draft
from payments.models import Account, CoinBalance, LotUse, Transaction
from tests.factories import NOW, READER, WRITER
from tests.ledger import books

pytestmark = pytest.mark.django_db

TIP = templates.tip(user_id=READER, coins=10, value=60_590, shares={WRITER: 42_413})


def purchase(currency: str = "USD", *, price: int, taxes: dict[str, int], value: int) -> Draft:
    """A purchase of 1,320 coins."""
    return templates.coin_purchase(
        user_id=READER,
        coins=1_320,
        provider="STRIPE",
        currency=currency,
        price=price,
        taxes=taxes,
        value=value,
    )


@pytest.fixture(autouse=True)
def _wallet() -> None:
    balances.open_wallet(user_id=READER)


def test_a_purchase_in_dollars_owes_the_price_in_coins_and_each_tax_to_its_office() -> None:
    draft = purchase(price=9_990_000, taxes={"CA": 500_000, "CA-QC": 1_000_000}, value=9_990_000)

    posted = ledger.post(draft, books.header("a"))

    assert books.lines_of(posted) == [
        ("gateway:stripe", "", "USD", 11_490_000),
        ("tax_payable:CA", "", "USD", -500_000),
        ("tax_payable:CA-QC", "", "USD", -1_000_000),
        ("coins_deferred", "", "USD", -9_990_000),
        ("coins_issued", "", "COIN", 1_320),
        ("wallet", READER, "COIN", -1_320),
    ]


def test_a_purchase_in_naira_stays_naira_and_is_converted_through_fx() -> None:
    draft = purchase("NGN", price=13_750_000_000, taxes={"NG": 1_031_250_000}, value=9_166_666)

    posted = ledger.post(draft, books.header("a", fx_rate=Decimal(1_500)))

    assert books.lines_of(posted) == [
        ("gateway:stripe", "", "NGN", 14_781_250_000),
        ("tax_payable:NG", "", "NGN", -1_031_250_000),
        ("fx", "", "NGN", -13_750_000_000),
        ("fx", "", "USD", 9_166_666),
        ("coins_deferred", "", "USD", -9_166_666),
        ("coins_issued", "", "COIN", 1_320),
        ("wallet", READER, "COIN", -1_320),
    ]


def test_a_tip_is_divided_and_the_platform_has_the_rest() -> None:
    posted = ledger.post(TIP, books.header("a"))

    assert books.lines_of(posted) == [
        ("wallet", READER, "COIN", 10),
        ("coins_issued", "", "COIN", -10),
        ("coins_deferred", "", "USD", 60_590),
        ("writer", WRITER, "USD", -42_413),
        ("platform:tips", "", "USD", -18_177),
    ]


def test_the_header_says_what_happened_when_by_whom_and_why() -> None:
    related = ledger.post(TIP, books.header("first"))
    header = Header(
        key="tip:2",
        occurred_at=NOW,
        source_type="tip",
        source_id="2",
        actor="user:reader-1",
        relates_to=related,
        fx_rate=Decimal("1499.5"),
        memo="well written",
        metadata={"counterparty_id": WRITER},
    )

    ledger.post(TIP, header)

    row = ledger.find("tip:2")
    assert row is not None
    assert row.id == header.id
    assert (row.kind, row.line_count, row.entries.count()) == ("TIP", 5, 5)
    assert (row.source_type, row.source_id, row.actor) == ("tip", "2", "user:reader-1")
    assert (row.occurred_at, row.relates_to, row.reverses_id) == (NOW, related, None)
    assert row.recorded_at > row.occurred_at  # the clock of the tests stands before now
    assert (row.fx_rate, row.memo) == (Decimal("1499.5"), "well written")
    assert row.metadata == {"counterparty_id": WRITER}
    canonical = (
        '{"kind":"TIP","source":["tip","2"],"occurred_at":"2026-11-02T12:00:00+00:00","lines":'
        '[["wallet","reader-1","COIN",10],["coins_issued","","COIN",-10],'
        '["coins_deferred","","USD",60590],["writer","writer-1","USD",-42413],'
        '["platform:tips","","USD",-18177]]}'
    )
    assert bytes(row.payload_hash) == hashlib.sha256(canonical.encode()).digest()
    assert ledger.find("tip:3") is None


def test_a_derived_account_is_opened_once_as_the_chart_describes_it() -> None:
    ledger.post(TIP, books.header("a"))
    ledger.post(TIP, books.header("b"))

    opened = Account.objects.values_list(
        "code", "owner_type", "owner_id", "unit", "type", "normal_side", "mode"
    )
    assert sorted(opened) == [
        ("coins_deferred", "PLATFORM", "", "USD", "LIABILITY", -1, "DERIVED"),
        ("coins_issued", "PLATFORM", "", "COIN", "POSITION", 1, "DERIVED"),
        ("platform:tips", "PLATFORM", "", "USD", "INCOME", -1, "DERIVED"),
        ("wallet", "USER", READER, "COIN", "LIABILITY", -1, "GUARDED"),
        ("writer", "WRITER", WRITER, "USD", "LIABILITY", -1, "DERIVED"),
    ]
    assert books.balance(chart.writer(WRITER)) == -2 * 42_413


def test_a_wallet_that_does_not_exist_is_not_opened_by_a_posting() -> None:
    draft = templates.tip(user_id="nobody", coins=10, value=60_590, shares={WRITER: 42_413})
    before = books.fingerprint()

    with pytest.raises(IntegrityError, match="ledger: transaction"), atomic():
        ledger.post(draft, books.header("a"))

    assert books.fingerprint() == before


def test_the_same_event_twice_is_an_error_that_takes_its_burn_back() -> None:
    books.give(100, value=990_000, is_purchased=True)
    ledger.post(TIP, books.header("tip:1"))
    before = books.fingerprint()

    with pytest.raises(KeyAlreadyPosted, match="tip:1"):
        _tip_again()

    assert books.fingerprint() == before
    assert CoinBalance.objects.get(user_id=READER).coins == 100
    assert not LotUse.objects.exists()


@atomic
def _tip_again() -> None:
    wallet = balances.lock(user_id=READER)
    header = books.header("tip:1")
    burned = balances.burn(
        wallet=wallet,
        coins=10,
        kind=LotUse.Kind.TIP,
        transaction_id=header.id,
        purchased_only=True,
        now=NOW,
    )
    assert burned is not None
    ledger.post(TIP, header)


def test_the_id_may_be_chosen_before_and_is_taken_once() -> None:
    chosen = UUID("01930000-0000-7000-8000-0000000000aa")

    assert ledger.post(TIP, books.header("a", id=chosen)) == chosen
    with pytest.raises(IntegrityError), atomic():
        ledger.post(TIP, books.header("b", id=chosen))

    assert [row.pk for row in Transaction.objects.all()] == [chosen]


def test_amounts_up_to_a_bigint_are_kept_exactly() -> None:
    most = 2**63 - 1
    draft = templates.gateway_fee(provider="STRIPE", currency="USD", fee=most)

    posted = ledger.post(draft, books.header(f"fee:{uuid7()}"))

    assert [line[-1] for line in books.lines_of(posted)] == [most, -most]
