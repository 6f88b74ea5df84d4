"""GET /payments/transactions/{id}/trace: from a payment to the writers, and back"""

import random
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from pytest_django import DjangoAssertNumQueries

from access.queries import sources, trace
from access.queries.trace import PurchaseTrace
from access.services import content, gifts, reversals, tips
from legato_payments.lib.money import Money
from payments.gateways.rates.fixed import FixedRates
from payments.ledger import balances
from payments.models import CoinLot, LotUse, Purchase
from payments.services import currency_rates
from revenue.models import Earning
from tests import factories
from tests.clients import PAYMENTS, api
from tests.factories import NOW, READER, WRITER
from tests.ledger import books

pytestmark = pytest.mark.django_db

AUTHORS = {"ann": 6_000, "bob": 4_000}


def path(transaction_id: object) -> str:
    return f"{PAYMENTS}/transactions/{transaction_id}/trace"


def get(transaction_id: object, user: str = READER, **caller: Any) -> dict[str, Any]:
    """The trace as a reader sees it."""
    response = api(user=user, **caller).get(path(transaction_id))
    assert response.status_code == 200, response.content
    answer: dict[str, Any] = response.json()
    return answer


def read(content_id: str, reader: str = READER) -> UUID:
    """Buy a chapter."""
    bought = content.buy(user_id=reader, content_id=content_id, now=NOW, actor=f"user:{reader}")
    assert bought.entitlement.transaction_id is not None
    return bought.entitlement.transaction_id


def tip(coins: int, recipient: str = WRITER) -> UUID:
    sent = tips.send(
        sender_id=READER, recipient_id=recipient, coins=coins, now=NOW, actor="user:reader-1"
    )
    return sent.tip.transaction_id


def give(coins: int, to: str) -> None:
    gifts.send_coins(sender_id=READER, recipient_id=to, coins=coins, now=NOW, actor="user:reader-1")


def take_back(transaction_id: UUID) -> UUID:
    return reversals.reverse(transaction_id=transaction_id, actor="staff:1", reason="x", now=NOW)


def traced(purchase: Purchase) -> PurchaseTrace:
    found = trace.of_purchase(transaction_id=purchase.pk)
    assert found is not None
    return found


def usd(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "USD"}


class TestDown:
    def test_the_worked_example_is_followed_to_the_micro(self) -> None:
        purchase = factories.buy_coins(name="Ultimate Pack")
        factories.put_content("chapter-4", price=10)
        factories.put_content("whole-series", price=2_400)
        spent = [read("chapter-4"), read("whole-series"), tip(500)]

        answer = get(purchase.pk)

        assert answer["purchase"] == {
            "id": str(purchase.pk),
            "user_id": READER,
            "status": "succeeded",
            "coins": 6_600,
            "price": usd("39.99"),
            "total": usd("39.99"),
            "rate": None,
            "value": usd("39.99"),
            "gateway": "sandbox",
            "created_at": "2026-11-02T12:00:00Z",
            "settled_at": "2026-11-02T12:00:00Z",
        }
        (lot,) = answer["lots"]
        assert (lot["coins"], lot["value"], lot["origin"]) == (6_600, usd("39.99"), "purchase")
        assert [
            (use["from_coin"], use["to_coin"], use["value"]["amount"], use["content_id"])
            for use in lot["used"]
        ] == [
            (0, 10, "0.06059", "chapter-4"),
            (10, 2_410, "14.541819", "whole-series"),
            (2_410, 2_910, "3.029545", None),
        ]
        assert [use["transaction_id"] for use in lot["used"]] == list(map(str, spent))
        assert [use["kind"] for use in lot["used"]] == ["spend", "spend", "tip"]
        assert [use["shares"] for use in lot["used"]] == [
            [{"writer_id": WRITER, "amount": usd(amount), "payout_id": None}]
            for amount in ("0.039383", "9.452182", "2.120681")
        ]
        assert (lot["remaining_coins"], lot["remaining_value"]) == (3_690, usd("22.358046"))
        assert (answer["tax"], answer["fees"]) == (usd("0.00"), usd("1.46"))
        assert answer["totals"] == {
            "writers": usd("11.612246"),
            "platform": usd("6.019708"),
            "unspent": usd("22.358046"),
            "refunded": usd("0.00"),
        }

    def test_a_purchase_nobody_paid_yet_went_nowhere(self) -> None:
        purchase = factories.start_purchase(name="Starter Pack")

        answer = get(purchase.pk)

        assert answer["purchase"]["status"] == "pending"
        assert (answer["purchase"]["settled_at"], answer["fees"]) == (None, None)
        assert answer["lots"] == []
        assert set(map(str, answer["totals"].values())) == {str(usd("0.00"))}

    def test_a_purchase_just_settled_is_all_unspent(self) -> None:
        answer = get(factories.buy_coins(name="Starter Pack").pk)

        assert answer["totals"]["unspent"] == usd("0.99")
        assert answer["lots"][0]["used"] == []

    def test_coins_that_came_back_are_followed_into_their_new_lot(self) -> None:
        purchase = factories.buy_coins(name="Starter Pack")
        factories.put_content("chapter-4", price=33, shares=AUTHORS)
        factories.put_content("chapter-5", price=100)
        take_back(read("chapter-4"))
        read("chapter-5")

        answer = get(purchase.pk)

        first, restored = answer["lots"]
        returned, spent = first["used"]
        assert returned["moved_to"] == [restored["lot_id"]]
        assert len(returned["shares"]) == 2
        assert (restored["origin"], restored["parent_id"]) == ("restored", first["lot_id"])
        assert restored["coins"] == 33
        assert restored["value"] == returned["value"] == usd("0.3267")
        (again,) = restored["used"]
        assert again["transaction_id"] == spent["transaction_id"]
        assert answer["totals"] == {
            "writers": usd("0.6435"),
            "platform": usd("0.3465"),
            "unspent": usd("0.00"),
            "refunded": usd("0.00"),
        }

    def test_coins_taken_back_into_money_are_refunded(self) -> None:
        purchase = factories.buy_coins(name="Starter Pack")
        factories.put_content("chapter-4", price=10)
        read("chapter-4")
        balances.burn(
            wallet=balances.lock(user_id=READER),
            coins=40,
            kind=LotUse.Kind.REVERSAL,
            transaction_id=purchase.pk,
            purchased_only=True,
            now=NOW,
        )

        totals = get(purchase.pk)["totals"]

        assert (totals["refunded"], totals["unspent"]) == (usd("0.396"), usd("0.495"))
        assert traced(purchase).totals.sum_micros == 990_000

    def test_a_purchase_in_naira_shows_naira_dollars_and_the_rate(self) -> None:
        currency_rates.refresh(provider=FixedRates(), now=NOW)
        purchase = factories.buy_coins(name="Starter Pack", currency="NGN")
        factories.put_content("chapter-4", price=33)
        read("chapter-4")

        answer = get(purchase.pk)

        naira = {"amount": "1400.00", "currency": "NGN"}
        shown = answer["purchase"]
        assert (shown["price"], shown["total"]) == (naira, naira)
        assert (shown["value"], shown["rate"]) == (usd("1.020551"), "1371.8079")
        assert {answer["tax"]["currency"], answer["fees"]["currency"]} == {"NGN"}
        assert answer["lots"][0]["value"] == usd("1.020551")
        assert traced(purchase).totals.sum_micros == 1_020_551

    def test_a_fee_leads_to_its_purchase(self) -> None:
        purchase = factories.buy_coins(name="Starter Pack")
        lot = CoinLot.objects.get(purchase=purchase)
        fee = lot.transaction.__class__.objects.get(relates_to=purchase.pk)

        caller = api(service="support", scopes=["transactions:read"])

        assert caller.get(path(fee.pk)).json() == caller.get(path(purchase.pk)).json()


class TestAMixedSpend:
    @pytest.fixture
    def spent(self) -> UUID:
        """250 coins of three lots, two of them paid for, on a chapter of two authors."""
        books.give(37, value=11_111, expires_at=NOW + timedelta(days=9))
        factories.buy_coins(name="Starter Pack")
        factories.buy_coins(name="Ultimate Pack")
        factories.put_content("chapter-4", price=250, shares=AUTHORS)
        return read("chapter-4")

    def test_its_parts_sum_to_each_earning_exactly(self, spent: UUID) -> None:
        uses = [
            use
            for purchase in Purchase.objects.order_by("id")
            for lot in traced(purchase).lots
            for use in lot.used
        ]
        values = list(
            LotUse.objects.filter(transaction=spent)
            .order_by("lot_id")
            .values_list("value_micros", flat=True)
        )

        assert len(values) == 3
        assert [use.value_micros for use in uses] == values[1:]
        for earning in Earning.objects.filter(transaction=spent):
            parts = [
                s.amount_micros for u in uses for s in u.shares if s.writer_id == earning.writer_id
            ]
            # What is left is that of the promotional lot: the first, so floored by itself.
            whole = earning.amount_micros
            assert whole - sum(parts) == whole * values[0] // sum(values)
            assert parts[0] == (
                whole * (values[0] + values[1]) // sum(values) - whole * values[0] // sum(values)
            )

    def test_names_all_lots_and_the_payments_behind_them(self, spent: UUID) -> None:
        starter, ultimate = Purchase.objects.order_by("id")

        answer = get(spent)

        assert answer["transaction"]["type"] == "content_purchase"
        assert answer["transaction"]["coins"] == 250
        assert [
            (part["from_coin"], part["to_coin"], part["purchase_id"], part["paid"], part["origin"])
            for part in answer["sources"]
        ] == [
            (0, 37, None, None, "promo"),
            (0, 100, str(starter.pk), usd("0.99"), "purchase"),
            (0, 113, str(ultimate.pk), usd("39.99"), "purchase"),
        ]
        value = 11_111 + 990_000 + 39_990_000 * 113 // 6_600
        assert answer["value"] == Money(value, "USD").to_json()
        parts = [*(share["amount"] for share in answer["shares"]), answer["platform"]]
        assert sum(Money.parse(**part).micros for part in parts) == value


class TestUp:
    def test_follows_returned_coins_to_the_first_payment(self) -> None:
        purchase = factories.buy_coins(name="Starter Pack")
        factories.put_content("chapter-4", price=100)
        take_back(read("chapter-4"))
        take_back(read("chapter-4"))
        spent = read("chapter-4")

        (source,) = get(spent)["sources"]

        root, _, third = CoinLot.objects.order_by("id")
        assert (source["lot_id"], source["root_lot_id"]) == (third.pk, root.pk)
        assert (source["purchase_id"], source["gateway"]) == (str(purchase.pk), "sandbox")
        assert (source["origin"], source["payer_id"]) == ("purchase", READER)

    def test_a_sale_taken_back_says_so_and_its_reversal_leads_to_it(self) -> None:
        factories.buy_coins(name="Starter Pack")
        factories.put_content("chapter-4", price=100)
        spent = read("chapter-4")
        reversal = take_back(spent)

        answer = get(reversal)

        assert answer == get(spent)
        assert answer["transaction"]["status"] == "refunded"
        assert answer["shares"][0]["amount"] == usd("0.6435")

    def test_a_writer_sees_pseudonyms_only(self) -> None:
        purchase = factories.buy_coins()
        factories.put_content("chapter-4", price=10, shares=AUTHORS)
        factories.put_content("chapter-5", price=10, shares=AUTHORS)
        first, second = read("chapter-4"), read("chapter-5")

        for_ann = [get(spent, user="ann", roles=["writer"]) for spent in (first, second)]
        for_bob = get(first, user="bob", roles=["writer"])

        names = {answer["transaction"]["user_id"] for answer in for_ann}
        assert len(names) == 1
        assert names != {for_bob["transaction"]["user_id"]}
        assert for_ann[0]["sources"][0]["payer_id"] in names
        assert for_ann[0]["sources"][0]["purchase_id"] == str(purchase.pk)
        assert READER not in str([for_ann, for_bob]).replace("'reader-", "")
        for name in names:
            assert name.startswith("reader-")
            assert len(name) == len("reader-") + 16


class TestGivenAway:
    @pytest.fixture
    def gift(self) -> tuple[Purchase, UUID]:
        """Ten coins that reader-1 bought, gave to reader-2, who spent them."""
        purchase = factories.buy_coins(name="Starter Pack")
        factories.put_content("chapter-4", price=10)
        give(10, to="reader-2")
        return purchase, read("chapter-4", "reader-2")

    def test_services_follow_the_coins_into_the_other_wallet(
        self, gift: tuple[Purchase, UUID]
    ) -> None:
        purchase, spent = gift
        service = api(service="support", scopes=["transactions:read"])

        lots = service.get(path(purchase.pk)).json()["lots"]

        assert lots[1]["given_away"]
        assert lots[1]["used"][0]["transaction_id"] == str(spent)
        assert lots[0]["used"][0]["moved_to"] == [lots[1]["lot_id"]]
        totals = traced(purchase).totals
        assert (totals.sum_micros, totals.refunded_micros) == (990_000, 0)

    def test_the_giver_does_not_see_what_was_read(self, gift: tuple[Purchase, UUID]) -> None:
        purchase, spent = gift

        answer = get(purchase.pk)

        given = answer["lots"][1]
        assert given["given_away"]
        assert (given["used"], given["remaining_coins"]) == ([], None)
        assert str(spent) not in str(answer)
        assert answer["totals"]["writers"] == usd("0.06435")

    def test_who_got_them_does_not_see_how_they_were_paid(
        self, gift: tuple[Purchase, UUID]
    ) -> None:
        purchase, spent = gift

        answer = get(spent, user="reader-2")

        (source,) = answer["sources"]
        assert (source["paid"], source["payer_id"], source["gateway"]) == (None, None, None)
        assert str(purchase.pk) not in str(answer)


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_the_parts_sum_to_what_was_paid(seed: int) -> None:
    """Random lives of two purchases and some promotional coins, looked at after every step."""
    chance = random.Random(seed)
    names = ["Starter Pack", "Reader Pack"]
    purchases = [factories.buy_coins(name=name) for name in names]
    books.give(chance.randint(1, 60), value=chance.randint(0, 9_999), expires_at=None)
    reversible: list[UUID] = []
    for step in range(14):
        price = chance.randint(1, 61)
        match chance.choice(["read", "read", "tip", "take back", "give"]):
            case "read":
                shares = chance.choice(
                    [AUTHORS, {WRITER: 10_000}, {"a": 3_333, "b": 3_333, "c": 3_334}]
                )
                factories.put_content(f"chapter-{step}", price=price, shares=shares)
                reversible.append(read(f"chapter-{step}"))
            case "tip":
                factories.put_content("tipped")
                reversible.append(tip(max(price, 10)))
            case "give":
                give(price, to="reader-2")
                factories.put_content("given", price=1)
                take_back(read("given", "reader-2"))
            case "take back" if reversible:
                take_back(reversible.pop(chance.randrange(len(reversible))))
        for purchase in purchases:
            totals = traced(purchase).totals
            assert totals.sum_micros == purchase.value_micros
            assert min(totals.writers_micros, totals.platform_micros, totals.unspent_micros) >= 0
    _assert_writers_agree(purchases)


def _assert_writers_agree(purchases: list[Purchase]) -> None:
    """What all lots together gave each writer is what the writer's earnings say."""
    earned: dict[str, int] = {}
    for earning in Earning.objects.all():
        earned[earning.writer_id] = earned.get(earning.writer_id, 0) + earning.amount_micros
    parts = dict.fromkeys(earned, 0)
    for purchase in purchases:
        for lot in traced(purchase).lots:
            for use in lot.used:
                for share in use.shares if use.is_earned else ():
                    parts[share.writer_id] += share.amount_micros
    for writer_id, amount in parts.items():
        # The rest came from promotional coins, whose value is small.
        assert 0 <= earned[writer_id] - amount <= 9_999


class TestAccess:
    @pytest.fixture
    def spent(self) -> UUID:
        """A chapter of writer-1 that reader-1 bought."""
        factories.buy_coins()
        factories.put_content("chapter-4")
        return read("chapter-4")

    @pytest.mark.parametrize(
        "caller",
        [
            {"user": "reader-2"},
            {"user": "writer-2", "roles": ["writer"]},
            {"user": WRITER},
            {"user": WRITER, "roles": ["writer"], "scopes": ["coins:read"]},
        ],
        ids=["another reader", "another writer", "no writer role", "a limited writer"],
    )
    def test_others_are_told_that_there_is_no_such_transaction(
        self, caller: dict[str, Any], spent: UUID
    ) -> None:
        for number in (spent, Purchase.objects.get().pk):
            response = api(**caller).get(path(number))

            assert response.status_code == 404
            missing = api(**caller).get(path("01930000-0000-7000-8000-00000000dead")).json()
            assert response.json()["detail"] == missing["detail"]

    def test_a_writer_does_not_see_the_purchase_behind_a_sale(self, spent: UUID) -> None:
        caller = api(user=WRITER, roles=["writer"])

        assert caller.get(path(spent)).status_code == 200
        assert caller.get(path(Purchase.objects.get().pk)).status_code == 404

    def test_a_token_limited_to_earnings_traces_them(self, spent: UUID) -> None:
        caller = api(user=WRITER, roles=["writer"], scopes=["earnings:read"])

        assert caller.get(path(spent)).status_code == 200

    def test_services_need_the_scope(self, spent: UUID) -> None:
        assert api(service="x", scopes=["transactions:read"]).get(path(spent)).status_code == 200
        assert api(service="x", scopes=["balances:read"]).get(path(spent)).status_code == 403

    def test_is_not_kept_by_caches(self, spent: UUID) -> None:
        assert "no-store" in api(user=READER).get(path(spent)).headers["Cache-Control"]


def test_asks_the_database_as_often_for_many_uses_as_for_few(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    purchase = factories.buy_coins(name="Starter Pack")
    for number in range(12):
        factories.put_content(f"chapter-{number}", price=2, shares=AUTHORS)
        spent = read(f"chapter-{number}")
        if number % 3 == 0:
            take_back(spent)

    with django_assert_num_queries(2):
        found = traced(purchase)
    with django_assert_num_queries(3):
        assert sources.of_spend(transaction_id=spent)

    assert len(found.lots) == 5
