"""Refunds in the back office: paying back, asking again, giving up"""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from access.services import content, gifts
from legato_payments.backoffice import roles
from legato_payments.lib import clock
from legato_payments.lib.pages import cells
from payments.gateways import base
from payments.gateways.sandbox import refunds as sandbox_refunds
from payments.gateways.sandbox.gateway import SandboxGateway
from payments.models import (
    ApprovalRequest,
    AuditEntry,
    CoinBalance,
    Purchase,
    Refund,
    RefundClosing,
    SandboxRefund,
    StaffProfile,
    Transaction,
)
from payments.queries import purchase_coins
from payments.services import refunds
from payments.tasks import poll_refund
from tests import factories, money_back, second_person
from tests.backoffice.conftest import EVIL, logged_in
from tests.backoffice.members import ROLES, error_of, mark_of, member, send, twice, user_of
from tests.backoffice.test_transaction_page import tables_of
from tests.factories import READER

pytestmark = pytest.mark.django_db

Status = Refund.Status


@pytest.fixture(autouse=True)
def _roles(db: None) -> None:
    roles.sync(now=clock.now())


@pytest.fixture
def purchase() -> Purchase:
    """A Starter Pack of 0.99 USD: 33 of its 100 coins are spent."""
    now = clock.now()
    purchase = factories.buy_coins(name="Starter Pack", now=now)
    factories.put_content("chapter-4", price=33, now=now)
    content.buy(user_id=READER, content_id="chapter-4", now=now, actor="user:reader-1")
    return purchase


@pytest.fixture
def stuck(purchase: Purchase) -> Refund:
    """A refund that the gateway does not take: our account there is not set up for it."""
    refund = money_back.pay_back(
        money_back.paid_with(purchase, "pm_refund_attention"), "0.25", now=clock.now()
    )
    assert refund.status == Status.NEEDS_ATTENTION
    return refund


def address(name: str, row: Purchase | Refund) -> str:
    return reverse(f"admin:payments_{row._meta.model_name}_{name}", args=[row.pk])


def buttons(client: Client, row: Purchase | Refund) -> set[str]:
    html = client.get(cells.page_of(row)).content.decode()
    of_refunds = ["ask_again", "give_up", "close_contradiction"]
    names = ["pay_back"] if isinstance(row, Purchase) else of_refunds
    return {name for name in names if f'{address(name, row)}"' in html}


class TestPayingBack:
    def test_the_effect_is_shown_before_it_happens(self, purchase: Purchase) -> None:
        url = address("pay_back", purchase)

        html = send(member("Support"), url, amount="0.25", reason="not needed")

        assert "0.25 USD go back to reader-1: 26 coins are taken for 0.25 USD." in html
        assert "This is done at once." in html
        assert "Pay 0.25 USD back" in html
        assert not Refund.objects.exists()

    def test_twice_the_same_pays_back(self, purchase: Purchase) -> None:
        support = user_of("Support")

        html = twice(
            logged_in(support), address("pay_back", purchase), amount="0.25", reason="not needed"
        )

        assert "0.25 USD are on their way: the gateway is asked in a moment." in html
        refund = Refund.objects.get()
        assert (refund.amount_micros, refund.coins, refund.goodwill_micros) == (250_000, 26, 0)
        assert (refund.reason, refund.requested_by) == ("not needed", f"staff:{support.pk}")
        assert tables_of(html)["Refunds"][1][3:] == ["0.25 USD", "26", "not needed"]

    def test_the_job_that_it_wakes_asks_the_gateway(self, purchase: Purchase) -> None:
        twice(member("Support"), address("pay_back", purchase), amount="0.25", reason="not needed")
        refund = Refund.objects.get()
        assert refund.status == Status.REQUESTED

        poll_refund.run(refund_id=str(refund.pk))

        refund.refresh_from_db()
        assert refund.status == Status.SUCCEEDED

    def test_without_an_amount_all_unused_coins_go(self, purchase: Purchase) -> None:
        html = twice(member("Operator"), address("pay_back", purchase), reason="closing account")

        assert "0.66 USD are on their way" in html
        assert Refund.objects.get().coins == 67
        assert CoinBalance.objects.get(user_id=READER).coins == 0

    def test_what_the_coins_are_not_worth_is_goodwill(self, purchase: Purchase) -> None:
        url = address("pay_back", purchase)

        html = send(member("Support"), url, amount="0.99", reason="late")
        assert "67 coins are taken for 0.66 USD, and 0.33 USD are goodwill, at our cost." in html
        twice(member("Support"), url, amount="0.99", reason="late")

        assert Refund.objects.get().goodwill_micros == 330_000

    def test_what_was_typed_differently_since_is_shown_again(self, purchase: Purchase) -> None:
        url, support = address("pay_back", purchase), member("Support")
        mark = mark_of(send(support, url, amount="0.25", reason="late"))

        html = send(support, url, amount="0.66", reason="late", confirmed=mark)

        assert "0.66 USD go back" in html
        assert not Refund.objects.exists()

    def test_much_money_waits_for_another_person(self) -> None:
        purchase = factories.start_purchase(coins=20_000, now=clock.now())
        factories.pay(purchase, now=clock.now())
        url = address("pay_back", purchase)

        html = send(member("Operator"), url, reason="wrong account")
        assert "Another person has to agree first." in html
        html = twice(member("Operator"), url, reason="wrong account")

        assert "Waiting for another person" in html
        assert not Refund.objects.exists()
        request = second_person.agree(by=user_of("Approver"))
        assert request.status == ApprovalRequest.Status.EXECUTED
        refund = Refund.objects.get()
        page = member("Auditor").get(cells.page_of(refund)).content.decode()
        assert cells.page_of(request) in page

    def test_nobody_pays_back_to_themselves_alone(self, purchase: Purchase) -> None:
        support = user_of("Support")
        StaffProfile.objects.create(user=support, platform_user_id=READER)

        html = twice(logged_in(support), address("pay_back", purchase), reason="mine")

        assert "Waiting for another person" in html
        assert not Refund.objects.exists()

    def test_nobody_decides_on_a_refund_to_themselves(self, purchase: Purchase) -> None:
        support, approver = user_of("Support"), user_of("Approver")
        StaffProfile.objects.create(user=support, platform_user_id=READER)
        twice(logged_in(support), address("pay_back", purchase), reason="mine")
        StaffProfile.objects.update(user=approver)
        request = ApprovalRequest.objects.get()

        html = send(
            logged_in(approver),
            reverse("admin:payments_approvalrequest_approve", args=[request.pk]),
            payload_hash=request.payload_hash,
        )

        assert "It concerns your own account" in html
        assert not Refund.objects.exists()

    @pytest.mark.parametrize(
        ("typed", "field", "words"),
        [
            ({"amount": "1.00", "reason": "x"}, "amount", "At most 0.99 USD can go back."),
            ({"amount": "0.001", "reason": "x"}, "amount", "no more than 2 decimal places"),
            ({"amount": "-1", "reason": "x"}, "amount", "greater than or equal to 0.01"),
            ({"amount": "0", "reason": "x"}, "amount", "greater than or equal to 0.01"),
            ({"amount": "NaN", "reason": "x"}, "amount", "Enter a number."),
            ({"amount": "0.10", "reason": " "}, "reason", "This field is required."),
        ],
    )
    def test_a_refusal_stands_beside_its_field(
        self, purchase: Purchase, typed: dict[str, str], field: str, words: str
    ) -> None:
        html = send(member("Support"), address("pay_back", purchase), **typed)

        assert words in error_of(html, field)
        assert_untouched()

    def test_without_unused_coins_an_amount_is_needed(self, purchase: Purchase) -> None:
        money_back.pay_back(purchase, now=clock.now())
        url = address("pay_back", purchase)

        html = send(member("Support"), url, reason="x")

        assert "No coin of this purchase is left" in error_of(html, "amount")
        assert Refund.objects.count() == 1

    def test_a_disputed_purchase_is_left_to_the_bank(self, purchase: Purchase) -> None:
        money_back.dispute(purchase, now=clock.now())
        url = address("pay_back", purchase)

        assert buttons(member("Support"), purchase) == set()
        assert "It cannot be paid back" in member("Support").get(url).content.decode()
        html = send(member("Support"), url, amount="0.10", reason="x")
        assert "it decides what is paid back" in html
        assert_untouched()

    def test_an_unpaid_purchase_offers_nothing(self) -> None:
        unpaid = factories.start_purchase(now=clock.now())

        assert buttons(member("Support"), unpaid) == set()
        html = send(member("Support"), address("pay_back", unpaid), reason="x")
        assert "never paid" in html
        assert_untouched()

    @pytest.mark.parametrize("role", ROLES)
    def test_support_and_operators_begin_refunds(self, purchase: Purchase, role: str) -> None:
        client = member(role)
        may = role in ("Support", "Operator")

        answer = client.post(address("pay_back", purchase), {"reason": "x"})

        assert answer.status_code == (200 if may else 403)
        if role != "Staff admin":
            assert buttons(client, purchase) == ({"pay_back"} if may else set())
        assert_untouched()

    def test_a_purchase_in_another_currency_is_paid_back_in_it(self) -> None:
        now = clock.now()
        factories.rates(now)
        naira = factories.buy_coins(name="Starter Pack", currency="NGN", now=now)

        html = twice(member("Support"), address("pay_back", naira), amount="700.00", reason="x")

        assert "700.00 NGN are on their way" in html
        assert "Amount in NGN" in member("Support").get(address("pay_back", naira)).content.decode()

    def test_a_fee_in_another_currency_is_shown_in_it(self, purchase: Purchase) -> None:
        Purchase.objects.filter(pk=purchase.pk).update(fee_micros=410_000, fee_currency="CAD")

        assert "0.41 CAD" in member("Auditor").get(cells.page_of(purchase)).content.decode()
        overview = member("Auditor").get(reverse("admin:index")).content.decode()
        sold = tables_of(overview)["Settled purchases, last 30 days"]
        assert sold[1] == ["USD", "1", "100", "0.99 USD", "0.41 CAD"]


def assert_untouched() -> None:
    """No refund, and no coin moved for one."""
    assert not Refund.objects.exists()
    assert not ApprovalRequest.objects.exists()
    assert not Transaction.objects.filter(kind="MONEY_REFUND").exists()


class TestPage:
    def test_shows_the_way_from_request_to_payment(self, purchase: Purchase) -> None:
        refund = money_back.pay_back(purchase, "0.25", now=clock.now(), actor="staff:7")

        html = member("Auditor").get(cells.page_of(refund)).content.decode()

        steps = re.findall(r'bo-step bo-(\w+)">\s*<span class="bo-step-title">(.*?)<', html)
        assert steps == [("good", "Requested"), ("good", "At the gateway"), ("good", "Paid back")]
        tables = tables_of(html)
        assert tables["Coins of the purchase"][1:] == [
            ["Spent on content", "33"],
            ["Paid back", "26"],
            ["Left", "41"],
            ["Total", "100"],
        ]
        assert [row[0] for row in tables["Ledger transactions"][1:]] == [
            "Money refund requested",
            "Money refund paid",
        ]
        assert tables["Asked of the gateway"][1][:2] == ["refund", "Answered"]
        assert tables["Audit"][-1][1:3] == ["Refund requested", "staff:7"]

    def test_a_failed_one_says_why_and_where_the_coins_are(self, purchase: Purchase) -> None:
        refund = money_back.pay_back(money_back.paid_with(purchase, "pm_refund_fails"), "0.25")
        money_back.refund_fails(refund)

        html = member("Auditor").get(cells.page_of(refund)).content.decode()

        assert "expired or canceled card" in html
        assert "the coins came back" in html
        rows = tables_of(html)["Coins of the purchase"]
        assert rows[1:] == [["Spent on content", "33"], ["Left", "67"], ["Total", "100"]]

    def test_given_coins_are_counted_with_their_new_owner(self, purchase: Purchase) -> None:
        content_gift(purchase)

        coins = purchase_coins.of_purchase(purchase)

        assert (coins.left, coins.elsewhere, coins.total) == (62, 5, 100)

    def test_a_lost_dispute_that_was_won_leaves_the_coins_as_they_were(
        self, purchase: Purchase
    ) -> None:
        before = purchase_coins.of_purchase(purchase)
        case = money_back.dispute(purchase)
        money_back.lose(case)
        assert purchase_coins.of_purchase(purchase).left == 0
        money_back.win(case)

        assert purchase_coins.of_purchase(purchase) == before

    def test_hostile_words_are_words(self, boss: Client, busy: None) -> None:
        refund = Refund.objects.get(purchase__user_id="reader-10")
        for url in (
            cells.page_of(refund),
            cells.page_of(refund.purchase),
            address("pay_back", refund.purchase),
            address("ask_again", refund),
            address("give_up", refund),
        ):
            html = boss.get(url).content.decode()
            assert EVIL not in html
            assert "&lt;script&gt;" in html, url

    def test_saved_views_have_their_counts_and_rows(self, stuck: Refund) -> None:
        other = factories.buy_coins("reader-2", now=clock.now())
        money_back.pay_back(other, "1.00", now=clock.now())
        auditor = member("Auditor")

        answer = auditor.get(cells.listing(Refund), {"view": "waiting"})

        links = answer.context["cl"].saved_views
        assert [(link.title, link.number, link.is_current) for link in links] == [
            ("To look at", 1, True),
            ("Open", 1, False),
            ("All", None, False),
        ]
        assert [row.pk for row in answer.context["cl"].result_list] == [stuck.pk]
        everything = auditor.get(cells.listing(Refund)).context["cl"].result_list
        assert len(everything) == 2


def content_gift(purchase: Purchase) -> None:
    gifts.send_coins(
        sender_id=purchase.user_id,
        recipient_id="reader-2",
        coins=5,
        now=clock.now(),
        actor="user:x",
    )


class TestCare:
    def test_buttons_follow_the_state_and_the_role(self, stuck: Refund) -> None:
        for role in ROLES[:-1]:
            may = role in ("Operator", "Finance manager")
            assert buttons(member(role), stuck) == ({"ask_again", "give_up"} if may else set())

        money_back.refund_fails(stuck)

        assert buttons(member("Operator"), stuck) == set()

    def test_asking_again_brings_what_the_gateway_knows(self, stuck: Refund) -> None:
        settle(stuck)

        html = send(member("Operator"), address("ask_again", stuck))

        assert "The gateway was asked. The refund: Refunded." in html
        stuck.refresh_from_db()
        assert stuck.status == Status.SUCCEEDED
        assert AuditEntry.objects.filter(action="payments.refund.asked_again").exists()

    def test_one_that_never_arrived_is_asked_for_once_more(self, purchase: Purchase) -> None:
        refund = lost_on_the_way(purchase)

        html = send(member("Operator"), address("ask_again", refund))

        assert "The refund: Refunded." in html

    def test_an_answer_that_does_not_come_is_said(
        self, stuck: Refund, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(SandboxGateway, "get_refund", no_answer)

        html = send(member("Operator"), address("ask_again", stuck))

        assert "The payment gateway does not answer. Try again." in html
        stuck.refresh_from_db()
        assert stuck.status == Status.NEEDS_ATTENTION
        assert stuck.locked_until is None

    def test_two_do_not_ask_at_once(self, stuck: Refund) -> None:
        now = clock.now()
        Refund.objects.filter(pk=stuck.pk).update(next_attempt_at=now)
        assert Refund.objects.claim(pk=stuck.pk, now=now, lease=refunds.POLL_LEASE)

        for name in ("ask_again", "give_up"):
            html = send(member("Operator"), address(name, stuck), reason="x")
            assert "is being asked about it right now" in html
        stuck.refresh_from_db()
        assert stuck.status == Status.NEEDS_ATTENTION

    def test_what_is_over_is_not_asked_about(self, purchase: Purchase) -> None:
        refund = money_back.pay_back(purchase, "0.25", now=clock.now())

        for name in ("ask_again", "give_up"):
            html = send(member("Operator"), address(name, refund), reason="x")
            assert "This refund is over." in html
        refund.refresh_from_db()
        assert refund.status == Status.SUCCEEDED

    def test_what_the_gateway_has_is_not_given_up(self, stuck: Refund) -> None:
        html = send(member("Operator"), address("give_up", stuck), reason="no way")

        assert "cancel it there" in html
        stuck.refresh_from_db()
        assert stuck.status == Status.NEEDS_ATTENTION
        assert CoinBalance.objects.get(user_id=READER).coins == 41
        assert not AuditEntry.objects.filter(action="payments.refund.given_up").exists()

    def test_what_it_never_took_is_given_up_and_the_coins_come_back(
        self, purchase: Purchase
    ) -> None:
        refund = lost_on_the_way(purchase)
        Refund.objects.filter(pk=refund.pk).update(status=Status.NEEDS_ATTENTION)

        html = send(member("Finance manager"), address("give_up", refund), reason="account closed")

        assert "26 coins are the reader" in html
        refund.refresh_from_db()
        assert (refund.status, refund.failure_code) == (Status.FAILED, "given_up")
        assert CoinBalance.objects.get(user_id=READER).coins == 67
        entry = AuditEntry.objects.get(action="payments.refund.given_up")
        assert entry.reason == "account closed"

    def test_giving_up_needs_a_reason(self, stuck: Refund) -> None:
        html = send(member("Operator"), address("give_up", stuck), reason=" ")

        assert error_of(html, "reason")
        stuck.refresh_from_db()
        assert stuck.status == Status.NEEDS_ATTENTION


class TestContradiction:
    """The gateway said that it failed, so the coins came back, and then that it was paid."""

    @pytest.fixture
    def refund(self, purchase: Purchase) -> Refund:
        return money_back.contradicted(purchase, now=clock.now())

    @pytest.mark.parametrize("role", ROLES[:-1])
    def test_operators_close_it_and_others_ask(self, refund: Refund, role: str) -> None:
        wanted = {
            "Operator": {"ask_again", "close_contradiction"},
            "Finance manager": {"ask_again"},
        }
        client = member(role)

        assert buttons(client, refund) == wanted.get(role, set())
        answer = client.post(address("close_contradiction", refund), {"decision": "COINS"})
        assert answer.status_code == (200 if role == "Operator" else 403)
        refund.refresh_from_db()
        assert refund.status == Status.CONTRADICTED

    def test_asking_tells_what_the_gateway_says_now(self, refund: Refund) -> None:
        SandboxRefund.objects.update(status=SandboxRefund.Status.FAILED)

        html = send(member("Operator"), address("ask_again", refund))

        assert "The gateway says now: it was not paid." in html
        assert "It was not paid," in html
        refund.refresh_from_db()
        assert refund.status == Status.CONTRADICTED

    def test_the_effect_is_shown_before_the_coins_go(self, refund: Refund) -> None:
        url, operator = address("close_contradiction", refund), member("Operator")
        factories.put_content("more", price=10, now=clock.now())
        content.buy(user_id=READER, content_id="more", now=clock.now(), actor="user:x")

        html = send(operator, url, decision="COINS", reason="they paid it")

        assert "The gateway says: it was paid. 0.66 USD are out, and 57 coins are taken" in html
        assert "the reader owes 0.10 USD and can spend nothing until that is settled" in html
        assert CoinBalance.objects.get(user_id=READER).coins == 57
        html = twice(operator, url, decision="COINS", reason="they paid it")
        assert "Closed: what the gateway says and what our books say agree." in html
        shown = tables_of(html)
        assert shown["Closed"][1][1].startswith("Take the coins again; what is missing")
        assert shown["Closed"][1][2] == user_of("Operator").username
        assert shown["Closed"][1][3:] == ["they paid it", "57", "0.10 USD", "0.00 USD", "–"]
        assert shown["Debt of the reader"][1][1:3] == ["Refund paid after it had failed", "Open"]
        wallet = CoinBalance.objects.get(user_id=READER)
        assert (wallet.coins, wallet.debt_micros) == (0, 100_000)

    def test_what_does_not_agree_with_the_gateway_is_refused(self, refund: Refund) -> None:
        url = address("close_contradiction", refund)

        html = send(member("Operator"), url, decision="FAILED", reason="x")

        assert "Close it so" not in html
        assert "The gateway says: it was paid." in error_of(html, "decision")
        assert not RefundClosing.objects.exists()

    def test_it_failed_after_all(self, refund: Refund) -> None:
        SandboxRefund.objects.update(status=SandboxRefund.Status.FAILED)
        url = address("close_contradiction", refund)

        html = send(member("Operator"), url, decision="FAILED", reason="x")
        assert "Nothing moves: 67 coins stay with the reader." in html
        twice(member("Operator"), url, decision="FAILED", reason="x")

        refund.refresh_from_db()
        assert refund.status == Status.FAILED
        assert buttons(member("Operator"), refund) == set()

    def test_bearing_much_waits_for_another_person(self) -> None:
        now = clock.now()
        large = factories.pay(factories.start_purchase(coins=6_000, now=now), now=now)
        refund = money_back.contradicted(large, now=now)
        url = address("close_contradiction", refund)

        html = twice(member("Operator"), url, decision="GOODWILL", reason="our mistake")

        assert "Waiting for another person" in html
        assert not RefundClosing.objects.exists()
        second_person.agree(by=user_of("Approver"))
        refund.refresh_from_db()
        assert refund.status == Status.SUCCEEDED
        assert RefundClosing.objects.get().decision == "GOODWILL"


def settle(refund: Refund) -> None:
    """The payer has the money, and nobody told us yet."""
    row = SandboxRefund.objects.get(reference=refund.reference)
    sandbox_refunds.settle(refund_id=row.pk, now=clock.now())


def lost_on_the_way(purchase: Purchase) -> Refund:
    """A refund of 26 coins that the gateway never heard of."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SandboxGateway, "refund", no_answer)
        refund = money_back.pay_back(purchase, "0.25", now=clock.now())
    assert refund.status == Status.REQUESTED
    return refund


def no_answer(*_: Any, **__: Any) -> Any:
    """The connection breaks before anything is sent."""
    raise base.Unavailable("no route", gateway="SANDBOX", code="connect")
