"""access_buy() in SQL does what the services say in Python: shares, lines, digest, events"""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.transaction import atomic, set_rollback
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from access.models import Entitlement
from access.services import content, rights
from legato_payments.lib.money import Money
from payments import ledger, outbox
from payments.enums import LotOrigin, Stream
from payments.ledger import Burned, Slice, chart, posting, templates
from payments.models import Account, CoinBalance, LotUse, OutboxEvent, Transaction
from payments.services import customers, wallets
from revenue.models import Earning, SplitRule, Writer
from revenue.services import earnings
from tests import factories
from tests.factories import NOW, READER
from tests.ledger import books

pytestmark = pytest.mark.django_db

# Upper before lower case, digits before both: the order of bytes, not that of a dictionary.
WRITERS = ["w-1", "w-10", "w-2", "W-2", "w_B", "wa"]


@st.composite
def shares(draw: st.DrawFn) -> dict[str, int]:
    """Basis points of one to five authors, often the same for several."""
    writers = draw(st.lists(st.sampled_from(WRITERS), min_size=1, max_size=5, unique=True))
    if draw(st.booleans()):
        whole, extra = divmod(10_000, len(writers))
        return {name: whole + (place < extra) for place, name in enumerate(writers)}
    cuts = draw(
        st.lists(
            st.integers(1, 9_999),
            min_size=len(writers) - 1,
            max_size=len(writers) - 1,
            unique=True,
        )
    )
    edges = [0, *sorted(cuts), 10_000]
    return {name: edges[n + 1] - edges[n] for n, name in enumerate(writers)}


rules = st.lists(
    st.tuples(
        st.sampled_from([("", None), ("PARTNER", None), *(("", name) for name in WRITERS)]),
        st.sampled_from([0, 1, 6_000, 6_500, 6_501, 7_000, 10_000]),
        st.integers(-40, 2),
    ),
    max_size=6,
)
lots = st.lists(
    st.tuples(
        st.integers(1, 700),
        st.sampled_from([0, 1, 7, 99_999, 39_990_000, 10**13]),
        st.booleans(),
        st.sampled_from([None, 0, 1, 9]),
    ),
    min_size=1,
    max_size=4,
)


def sale_of(
    *,
    authors: dict[str, int],
    given_rules: list[Any],
    given_lots: list[Any],
    levels: list[str],
    ages: list[int],
    country: str,
) -> int:
    """A chapter, its authors' rules and a reader with lots; the price, all coins but one."""
    for place, name in enumerate(WRITERS):
        Writer.objects.create(
            writer_id=name,
            first_seen_at=NOW - timedelta(days=ages[place]),
            level=levels[place],
        )
    for (level, writer), rate, days in given_rules:
        SplitRule.objects.create(
            stream=Stream.CONTENT,
            level=level,
            writer_id=writer,
            rate_bps=rate,
            valid_from=NOW + timedelta(days=days),
            created_at=NOW,
            created_by="staff:7",
        )
    usable = 0
    for coins, value, is_purchased, days in given_lots:
        ends = None if days is None or is_purchased else NOW + timedelta(days=days)
        books.give(coins, value=value, is_purchased=is_purchased, expires_at=ends)
        usable += coins if ends is None or ends > NOW else 0
    if country:
        profile = customers.Profile(country, "", "USD", 1990, "", None)
        customers.put(
            user_id=READER, profile=profile, expected_version=None, actor="user:r", now=NOW
        )
    price = max(usable - 1, 1)
    factories.put_content("chapter-4", price=price, shares=authors)
    return price if usable else 0


def burned_of(transaction: Transaction) -> Burned:
    """What the lots say was used, in burn order."""
    uses = LotUse.objects.filter(transaction=transaction).select_related("lot").order_by("id")
    return Burned(
        READER,
        tuple(
            Slice(
                use.lot_id,
                LotOrigin(use.lot.origin),
                use.lot.is_purchased,
                use.from_coin,
                use.to_coin,
                use.value_micros,
            )
            for use in uses
        ),
    )


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    authors=shares(),
    given_rules=rules,
    given_lots=lots,
    levels=st.lists(st.sampled_from(["STANDARD", "PARTNER"]), min_size=6, max_size=6),
    ages=st.lists(st.sampled_from([0, 89, 90, 400]), min_size=6, max_size=6),
    microseconds=st.sampled_from([0, 1, 120_000, 999_999]),
    country=st.sampled_from(["", "NG"]),
)
def test_a_sale_is_what_python_makes_of_it(microseconds: int, **story: Any) -> None:
    with atomic():
        price = sale_of(**story)
        if price:
            check(price, microseconds)
        set_rollback(True)


def check(price: int, microseconds: int) -> None:
    """Buy, then compare every row that SQL wrote with what Python would have written."""
    now = NOW + timedelta(microseconds=microseconds)
    OutboxEvent.objects.all().delete()
    bought = content.buy(user_id=READER, content_id="chapter-4", now=now, actor="user:r")

    assert bought.entitlement.transaction_id is not None
    sale = Transaction.objects.get(pk=bought.entitlement.transaction_id)
    burned = burned_of(sale)
    assert bought.burned == burned
    assert burned.coins == price
    parts = earnings.split(
        value_micros=burned.value_micros,
        claims=earnings.content_claims(content_id="chapter-4", on=now),
    )
    draft = templates.content_spend(
        user_id=READER,
        coins=price,
        value=burned.value_micros,
        shares=earnings.amounts(parts),
    )
    assert_posted(sale, draft, bought.entitlement, now=now)
    assert_earned(sale, parts, burned, now=now)
    right = Entitlement.objects.get(pk=bought.entitlement.pk)
    assert {name: getattr(right, name) for name in RIGHT} == {
        name: getattr(bought.entitlement, name) for name in RIGHT
    }
    wallet = CoinBalance.objects.get(user_id=READER)
    assert [getattr(wallet, name) for name in HELD] == [
        getattr(bought.wallet, name) for name in HELD
    ]
    rows = Earning.objects.filter(transaction=sale).order_by("id")
    told = [
        wallets.changed_event(wallet=wallet, transaction_id=sale.pk, occurred_at=now),
        rights.granted_event(right),
        *earnings.events_of(rows),
    ]
    assert [
        outbox.Event(
            type=outbox.EventType(row.type),
            subject=row.subject,
            payload=row.payload,
            occurred_at=row.occurred_at,
        )
        for row in OutboxEvent.objects.order_by("id")
    ] == told


RIGHT = ("user_id", "content_id", "ground", "transaction_id", "coins", "granted_at", "revoked_at")
HELD = ("pk", "user_id", "coins", "purchased", "promo", "held")


def assert_posted(
    sale: Transaction, draft: templates.Draft, right: Entitlement, *, now: Any
) -> None:
    """The header and the lines, in the order of the template, with the digest of posting."""
    lines = [(li.account.code, li.account.owner_id, li.account.unit, li.amount)
             for li in draft.lines]  # fmt: skip
    assert books.lines_of(sale.pk) == lines
    header = ledger.Header(
        key=f"entitlement:{right.pk}",
        occurred_at=now,
        source_type="entitlement",
        source_id=str(right.pk),
        actor="user:r",
        metadata={"content_id": "chapter-4"},
    )
    said = (sale.kind, sale.idempotency_key, sale.source_type, sale.source_id, sale.actor)
    assert said == (
        draft.kind, header.key, header.source_type, header.source_id, header.actor
    )  # fmt: skip
    assert (sale.occurred_at, sale.metadata) == (now, header.metadata)
    as_json = [posting._line_json(line) for line in draft.lines]
    assert bytes(sale.payload_hash) == posting._payload_hash(draft, header, as_json)
    for line in draft.lines:
        account = Account.objects.get(
            code=line.account.code, owner_id=line.account.owner_id, unit=line.account.unit
        )
        says = line.account.chart
        assert (account.owner_type, account.type, account.normal_side, account.mode) == (
            says.owner, says.type, says.normal_side, says.mode
        )  # fmt: skip


def assert_earned(
    sale: Transaction, parts: list[earnings.Share], burned: Burned, *, now: Any
) -> None:
    """A row per author, in their order, zero parts included."""
    rows = Earning.objects.filter(transaction=sale).order_by("id").values()
    assert [{name: value for name, value in row.items() if name != "id"} for row in rows] == [
        {
            "transaction_id": sale.pk,
            "writer_id": part.claim.writer_id,
            "stream": Stream.CONTENT,
            "content_id": "chapter-4",
            "amount_micros": part.amount_micros,
            "coins": burned.coins,
            "promo_coins": burned.promo_coins,
            "rule_id": part.claim.rule.pk,
            "rate_bps": part.claim.rule.rate_bps,
            "share_bps": part.claim.share_bps,
            "reader_country": customers.country_of(user_id=READER),
            "occurred_at": now,
            "matures_at": part.claim.matures_at,
            "reverses_id": None,
            "claws_back_id": None,
            "gives_back_id": None,
        }
        for part in parts
    ]


@given(micros=st.integers(0, 2**62), microseconds=st.integers(0, 999_999))
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_amounts_and_moments_are_written_as_python_writes_them(
    micros: int, microseconds: int
) -> None:
    at = NOW + timedelta(microseconds=microseconds)

    with connection.cursor() as cursor:
        cursor.execute("SELECT legato_amount(%s), legato_moment(%s)", [micros, at])

        assert cursor.fetchone() == (Money(micros, "USD").amount(), outbox.moment(at))


def test_the_accounts_that_sql_opens_are_those_of_the_chart() -> None:
    factories.buy_coins()
    factories.put_content("chapter-4", shares={"w-1": 10_000})
    content.buy(user_id=READER, content_id="chapter-4", now=NOW, actor="user:r")

    opened = Account.objects.get(code="writer", owner_id="w-1")

    says = chart.writer("w-1").chart
    assert (opened.owner_type, opened.type, opened.normal_side, opened.mode) == (
        says.owner, says.type, says.normal_side, says.mode
    )  # fmt: skip
