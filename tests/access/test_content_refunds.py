"""POST /api/v1/payments/transactions/{transaction_id}/refund"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from access.models import ContentRefund, Entitlement
from access.queries import decisions
from access.services import content, refunds, reversals, tips
from legato_payments.lib import clock
from payments.ledger import chart, invariants, sealing
from payments.ledger.reversals import AlreadyReversed, NotReversible
from payments.models import (
    AuditEntry,
    CoinBalance,
    CoinLot,
    LotUse,
    OutboxEvent,
    Policy,
    Transaction,
)
from payments.services import policies
from revenue.models import Earning
from tests import factories
from tests.clients import PAYMENTS, api
from tests.concurrency.threads import Crowd, no_deadlocks
from tests.factories import NOW, READER, WRITER
from tests.ledger import books

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def buy(content_id: str = "chapter-4", *, now: datetime = NOW, user_id: str = READER) -> UUID:
    """The transaction of a bought chapter."""
    bought = content.buy(user_id=user_id, content_id=content_id, now=now, actor=f"user:{user_id}")
    assert bought.burned is not None
    assert bought.entitlement.transaction_id is not None
    return bought.entitlement.transaction_id


def refund(transaction_id: UUID, *, now: datetime = NOW + HOUR, **more: Any) -> refunds.Refunded:
    """The reader gives it back."""
    given = {"reason": "the wrong one", "actor": f"user:{READER}", **more}
    return refunds.refund(transaction_id=transaction_id, now=now, **given)


def ask(transaction_id: object, body: dict[str, Any] | None = None, **caller: Any) -> Any:
    """The request, by the reader unless said otherwise."""
    client = api(**(caller or {"user": READER}))
    return client.keyed(
        f"{PAYMENTS}/transactions/{transaction_id}/refund", {"reason": "misclick", **(body or {})}
    )


def assert_books_add_up() -> None:
    """Sealed, and nothing for ``verify_ledger`` to say."""
    books.assert_sound()
    sealing.seal_all(now=NOW, most=1_000)
    assert list(invariants.discrepancies()) == []


def test_coins_earning_and_right_go_back(reader: str) -> None:
    factories.put_content("chapter-4", price=10)
    sale = buy(now=clock.now())

    response = ask(sale)

    assert response.status_code == 201, response.content
    lot = CoinLot.objects.get(origin="RESTORED")
    told = response.json()
    assert told == {
        "transaction_id": str(lot.transaction_id),
        "coins": 10,
        "lots": [
            {
                "lot_id": lot.pk,
                "origin": "restored",
                "coins": 10,
                "value": {"amount": "0.06059", "currency": "USD"},
            }
        ],
    }
    row = ContentRefund.objects.get()
    assert (row.transaction_id, row.entitlement.transaction_id) == (lot.transaction_id, sale)
    assert (row.reason, row.read_percent, row.refunded_by) == ("misclick", 0, f"user:{READER}")
    wallet = CoinBalance.objects.get(user_id=READER)
    assert (wallet.coins, wallet.lifetime_spent, wallet.lifetime_refunded) == (6_600, 10, 10)
    assert not decisions.decide(user_id=READER, content_id="chapter-4", now=clock.now()).granted
    assert books.balance(chart.writer(WRITER)) == books.balance(chart.platform("content")) == 0
    entry = AuditEntry.objects.get(action="access.transaction.reversed")
    assert (entry.actor, entry.reason) == (f"user:{READER}", "misclick")
    history = api(user=READER).get(f"{PAYMENTS}/users/{READER}/transactions").json()["results"]
    assert [(r["type"], r["status"], r["coins"], r["related_id"]) for r in history[:2]] == [
        ("refund", "succeeded", 10, str(sale)),
        ("content_purchase", "refunded", -10, None),
    ]
    assert_books_add_up()


def test_every_author_gives_back_exactly_what_they_got_of_mixed_lots(reader: str) -> None:
    books.give(7, value=1_003, expires_at=NOW + timedelta(days=2))
    shares = {"ann": 3_334, "bob": 3_333, "cyd": 3_333}
    factories.put_content("chapter-4", price=31, shares=shares)
    sale = buy()

    refunded = refund(sale)

    mirrored = [(*account, -amount) for *account, amount in books.lines_of(sale)]
    assert books.lines_of(refunded.refund.transaction_id) == mirrored
    for writer in shares:
        first, second = Earning.objects.filter(writer=writer).order_by("id")
        assert second.amount_micros == -first.amount_micros < 0
        assert (second.matures_at, second.reverses_id) == (first.matures_at, first.pk)
    spent = LotUse.objects.filter(transaction=sale).order_by("lot_id")
    assert {lot.parent_id: (lot.coins, lot.value_micros) for lot in refunded.lots} == {
        use.lot_id: (use.to_coin - use.from_coin, use.value_micros) for use in spent
    }
    promo, paid = sorted(refunded.lots, key=lambda lot: lot.priority)
    # Two days were left: coins that come back last a week at least.
    assert (promo.coins, promo.value_micros, promo.expires_at) == (
        7,
        1_003,
        NOW + HOUR + timedelta(days=7),
    )
    assert (paid.expires_at, paid.purchase_id) == (
        None,
        CoinLot.objects.get(origin="PURCHASE").purchase_id,
    )
    assert_books_add_up()


def test_how_long_returned_promotions_last_is_a_limit_that_finance_sets(reader: str) -> None:
    books.give(10, expires_at=NOW + timedelta(days=2))
    factories.put_content("chapter-4", price=10)
    sale = buy()
    policies.change(
        name=Policy.Name.PROMO_RESTORE_MIN_DAYS,
        value=14,
        valid_from=NOW,
        actor="staff:1",
        reason="kinder",
        now=NOW,
    )

    assert refund(sale).lots[0].expires_at == NOW + HOUR + timedelta(days=14)


def test_it_can_be_bought_again_and_given_back_again(reader: str) -> None:
    factories.put_content("chapter-4", price=10)
    first = buy()
    refund(first)

    second = buy(now=NOW + 2 * HOUR)
    refund(second, now=NOW + 3 * HOUR)
    third = buy(now=NOW + 4 * HOUR)

    assert len({first, second, third}) == 3
    assert Entitlement.objects.filter(revoked_at=None).get().transaction_id == third
    assert CoinBalance.objects.get().coins == 6_590
    assert_books_add_up()


def test_other_services_hear_of_it(reader: str) -> None:
    factories.put_content("chapter-4", price=10)
    sale = buy()
    OutboxEvent.objects.all().delete()

    refund(sale)

    assert list(OutboxEvent.objects.order_by("id").values_list("type", flat=True)) == [
        "payments.balance.changed",
        "access.entitlement.revoked",
        "revenue.earning.reversed",
    ]


def test_the_last_moment_is_still_in_time(reader: str) -> None:
    factories.put_content("chapter-4", price=10)
    sale = buy()

    refund(sale, now=NOW + 24 * HOUR)

    assert ContentRefund.objects.exists()


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"now": NOW + 24 * HOUR + timedelta(microseconds=1)}, "refund_window_over"),
        ({"read_percent": 25}, "read_too_much"),
        ({"read_percent": 100}, "read_too_much"),
    ],
)
def test_refuses_what_is_old_or_read(reader: str, more: dict[str, Any], code: str) -> None:
    factories.put_content("chapter-4", price=10)
    sale = buy()
    before = books.fingerprint()

    with pytest.raises((refunds.RefundWindowOver, refunds.ReadTooMuch)) as refusal:
        refund(sale, **more)

    assert refusal.value.code == code
    assert books.fingerprint() == before


def test_refuses_a_second_time(reader: str) -> None:
    factories.put_content("chapter-4", price=10)
    sale = buy(now=clock.now())
    assert ask(sale).status_code == 201
    before = books.fingerprint()

    again = ask(sale)

    assert (again.status_code, again.json()["code"]) == (409, "already_refunded")
    assert books.fingerprint() == before


def test_refuses_what_staff_took_back_before(reader: str) -> None:
    factories.put_content("chapter-4", price=10)
    sale = buy()
    reversals.reverse(transaction_id=sale, actor="staff:1", reason="x", now=NOW)

    with pytest.raises(AlreadyReversed):
        refund(sale)

    assert not ContentRefund.objects.exists()


def test_a_repeat_with_the_same_key_gets_the_same_answer(reader: str) -> None:
    factories.put_content("chapter-4", price=10)
    path = f"{PAYMENTS}/transactions/{buy(now=clock.now())}/refund"
    client = api(user=READER)

    first, again = (client.keyed(path, {"reason": "x"}, key="one") for _ in range(2))

    assert (first.status_code, again.content) == (201, first.content)
    assert again["Idempotent-Replayed"] == "true"
    assert client.post(path, {"reason": "x"}).json()["code"] == "idempotency_key_missing"
    assert ContentRefund.objects.count() == 1


def test_the_content_service_tells_how_much_was_read(reader: str) -> None:
    factories.put_content("chapter-4", price=10)
    sale = buy(now=clock.now())
    service: dict[str, Any] = {"service": "content", "scopes": ["refunds:write"]}

    refused = ask(sale, {"read_percent": 25}, **service)
    done = ask(sale, {"read_percent": 24}, **service)

    assert (refused.status_code, refused.json()["limit_percent"]) == (422, 25)
    assert done.status_code == 201
    assert (ContentRefund.objects.get().read_percent, ContentRefund.objects.get().refunded_by) == (
        24,
        "service:content",
    )


def test_a_reader_does_not_tell_how_much_was_read(reader: str) -> None:
    factories.put_content("chapter-4", price=10)
    sale = buy(now=clock.now())
    before = books.fingerprint()

    response = ask(sale, {"read_percent": 0})

    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == "/read_percent"
    assert books.fingerprint() == before


def test_without_the_content_services_word_a_reader_gives_back_five_a_day(reader: str) -> None:
    sales = []
    for number in range(7):
        factories.put_content(f"chapter-{number}", price=10)
        sales.append(buy(f"chapter-{number}"))
    for sale in sales[:5]:
        refund(sale)
    before = books.fingerprint()

    with pytest.raises(refunds.RefundLimitReached) as refusal:
        refund(sales[5])

    assert refusal.value.members == {"limit_chapters": 5, "refunded_chapters": 5}
    assert books.fingerprint() == before
    refund(sales[5], read_percent=0, actor="service:content")
    refund(sales[6], now=NOW + 12 * HOUR)  # midnight, another day


def test_a_tip_is_not_given_back(reader: str) -> None:
    factories.put_content()
    sent = tips.send(
        sender_id=READER, recipient_id=WRITER, coins=10, now=NOW, actor=f"user:{READER}"
    )
    before = books.fingerprint()

    response = ask(sent.tip.transaction_id)

    assert (response.status_code, response.json()["code"]) == (409, "not_reversible")
    assert books.fingerprint() == before


def test_neither_is_a_refund(reader: str) -> None:
    factories.put_content("chapter-4", price=10)
    back = refund(buy()).refund.transaction_id

    with pytest.raises(NotReversible):
        refund(back)

    assert CoinBalance.objects.get().coins == 6_600


def test_a_part_of_a_chapter_is_not_given_back(reader: str) -> None:
    factories.put_content("chapter-4", price=10)
    sale = buy(now=clock.now())
    before = books.fingerprint()

    response = ask(sale, {"amount": {"amount": "0.01", "currency": "USD"}})

    assert (response.status_code, response.json()["code"]) == (422, "refund_is_whole")
    assert books.fingerprint() == before


def test_anothers_purchase_looks_like_none(reader: str) -> None:
    factories.put_content("chapter-4", price=10)
    sale = buy(now=clock.now())
    before = books.fingerprint()

    theirs, none = ask(sale, user="reader-2"), ask(uuid4(), user="reader-2")

    assert theirs.status_code == none.status_code == 404
    assert theirs.json()["detail"] == none.json()["detail"]
    assert books.fingerprint() == before


@pytest.mark.django_db(transaction=True)
@pytest.mark.slow
def test_of_many_refunds_at_once_one_happens() -> None:
    factories.buy_coins()
    factories.put_content("chapter-4", price=10)
    sale = buy()
    crowd = Crowd(16)

    def give_back(_number: int) -> bool:
        try:
            refund(sale)
        except AlreadyReversed:
            return False
        return True

    with no_deadlocks():
        assert sum(crowd.run(give_back)) == 1

    assert Transaction.objects.filter(kind="REVERSAL").count() == 1
    assert CoinBalance.objects.get().coins == 6_600
    assert_books_add_up()


@pytest.mark.django_db(transaction=True)
@pytest.mark.slow
def test_the_daily_limit_holds_when_many_chapters_are_given_back_at_once() -> None:
    factories.buy_coins()
    sales = []
    for number in range(16):
        factories.put_content(f"chapter-{number}", price=10)
        sales.append(buy(f"chapter-{number}"))
    crowd = Crowd(16)

    def give_back(number: int) -> bool:
        try:
            refund(sales[number])
        except refunds.RefundLimitReached:
            return False
        return True

    with no_deadlocks():
        assert sum(crowd.run(give_back)) == 5

    assert ContentRefund.objects.count() == 5
    assert CoinBalance.objects.get().coins == 6_600 - 11 * 10
    assert_books_add_up()
