"""Disputes in the back office: what losing one would cost, answering, giving up"""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse

from access.services import content, gifts, tips
from legato_payments.backoffice import roles
from legato_payments.lib import clock
from legato_payments.lib.pages import cells
from payments.gateways import base
from payments.gateways.sandbox import disputes as bank
from payments.gateways.sandbox.gateway import SandboxGateway
from payments.ledger.reversals import lines_of
from payments.models import AuditEntry, Customer, Dispute, DisputeLoss, Purchase, Transaction
from payments.services import customers
from tests import factories, money_back
from tests.backoffice.conftest import EVIL, ClientOf
from tests.backoffice.members import ROLES, error_of, mark_of, member, send, twice, user_of
from tests.backoffice.test_transaction_page import tables_of
from tests.factories import READER, WRITER

pytestmark = pytest.mark.django_db

Status = Dispute.Status
Policy = Dispute.Policy

BUTTONS = ("answer", "ask_again", "choose_policy", "accept")


@pytest.fixture(autouse=True)
def _roles(db: None) -> None:
    roles.sync(now=clock.now())


@pytest.fixture
def purchase() -> Purchase:
    """A Starter Pack of 0.99 USD: a chapter of 33 coins, a tip of 20, five coins given away."""
    now = clock.now()
    purchase = factories.buy_coins(name="Starter Pack", now=now)
    factories.put_content("chapter-4", price=33, shares={WRITER: 6_000, "writer-2": 4_000}, now=now)
    content.buy(user_id=READER, content_id="chapter-4", now=now, actor="user:reader-1")
    tips.send(sender_id=READER, recipient_id=WRITER, coins=20, now=now, actor="user:x")
    gifts.send_coins(
        sender_id=READER, recipient_id="reader-2", coins=5, now=now, actor="user:x", message=""
    )
    return purchase


@pytest.fixture
def case(purchase: Purchase) -> Dispute:
    """The payer's bank took it all back, and asks what we have to say."""
    return money_back.dispute(purchase, now=clock.now())


def address(name: str, case: Dispute) -> str:
    return reverse(f"admin:payments_dispute_{name}", args=[case.pk])


def buttons(client: Client, case: Dispute) -> set[str]:
    html = client.get(cells.page_of(case)).content.decode()
    return {name for name in BUTTONS if f'{address(name, case)}"' in html}


def page_of(case: Dispute, role: str = "Auditor") -> str:
    answer = member(role).get(cells.page_of(case))
    assert answer.status_code == 200
    return answer.content.decode()


class TestImpact:
    def test_every_policy_adds_up_to_what_is_disputed(self, case: Dispute) -> None:
        tables = tables_of(page_of(case))

        assert tables["If it is lost: who bears it"] == [
            ["What", "Writers, then we ✓, USD", "We, USD", "The reader, USD"],
            ["Unused coins taken back", "0.465300", "0.465300", "0.465300"],
            ["Earnings taken back from writers", "0.350955", "0.000000", "0.000000"],
            ["Our loss", "0.173745", "0.524700", "0.000000"],
            ["Owed by the reader", "0.000000", "0.000000", "0.524700"],
            ["Disputed, without tax adds up ✓", "0.990000", "0.990000", "0.990000"],
        ]
        assert tables["If it is lost: unused coins"][1:] == [
            ["reader-1", "42", "0.415800"],
            ["reader-2", "5", "0.049500"],
            ["Total", "47", "0.465300"],
        ]

    def test_shows_what_the_coins_paid_and_what_can_be_taken_back(self, case: Dispute) -> None:
        spent = tables_of(page_of(case))["If it is lost: chapters and tips these coins paid"]

        assert spent[1:] == [
            ["Tip", "–", "reader-1", "20", "0.198000", "writer-1 0.138600", "0.000000"],
            [
                "Content purchase",
                "chapter-4",
                "reader-1",
                "33",
                "0.326700",
                "writer-1 0.127413 writer-2 0.084942",
                "0.000000",
            ],
            ["Total", "", "", "53", "0.524700", "0.350955", "0.000000"],
        ]

    def test_earnings_that_matured_stay_with_the_writers(
        self, case: Dispute, time_machine: Any
    ) -> None:
        time_machine.move_to(clock.now() + timedelta(days=365))

        tables = tables_of(page_of(case))

        assert tables["If it is lost: who bears it"][2][1] == "0.000000"
        total = tables["If it is lost: chapters and tips these coins paid"][-1]
        assert total[5:] == ["0.000000", "0.350955"]

    @pytest.mark.parametrize("policy", Policy.values)
    def test_what_was_shown_is_what_is_posted(self, case: Dispute, policy: str) -> None:
        Dispute.objects.filter(pk=case.pk).update(policy=policy)
        shown = tables_of(page_of(case))
        column = 1 + Policy.values.index(policy)

        money_back.lose(case, now=clock.now())

        after = tables_of(page_of(case))
        loss = after["Losses"][1]
        assert loss[4:] == [row[column] for row in shown["If it is lost: who bears it"][1:5]]
        lines = lines_of(DisputeLoss.objects.get().transaction)
        posted = sorted((line.account.code, abs(line.amount)) for line in lines)
        preview = shown["Postings if it is lost"]
        assert sorted(row[0] for row in preview[1:-1]) == [code for code, _ in posted]
        assert preview[-1][1] == "balances ✓"
        assert "If it is lost: who bears it" not in after

    def test_winning_only_brings_the_money_back(self, case: Dispute) -> None:
        won = tables_of(page_of(case))["Postings if it is won"]

        assert won[1:] == [
            ["gateway:sandbox", "Platform", "0.99 USD", ""],
            ["dispute_hold", "Platform", "", "0.99 USD"],
            ["Total", "balances ✓", "", ""],
        ]

    def test_in_another_currency_the_loss_is_in_dollars(self) -> None:
        now = clock.now()
        factories.rates(now)
        naira = factories.buy_coins(name="Starter Pack", currency="NGN", now=now)

        html = page_of(money_back.dispute(naira, now=now))

        assert "1,400.00 NGN" in html
        total = tables_of(html)["If it is lost: who bears it"][-1]
        assert total == ["Disputed, without tax adds up ✓", *["1.020551"] * 3]


class TestBoard:
    def test_what_is_due_first_comes_first(self, case: Dispute) -> None:
        now = clock.now()
        sooner = money_back.dispute(
            factories.buy_coins("reader-3", now=now), now=now - timedelta(days=12)
        )
        lost = money_back.dispute(
            factories.buy_coins("reader-4", now=now), now=now - timedelta(days=13)
        )
        money_back.lose(lost, now=now)

        answer = member("Auditor").get(cells.listing(Dispute))

        listed = [row.pk for row in answer.context["cl"].result_list]
        assert listed == [sooner.pk, case.pk, lost.pk]
        links = {link.title: link.number for link in answer.context["cl"].saved_views}
        assert links["Due in 72 hours"] == 1
        assert links["To answer"] == 2
        assert "in 1\xa0day, 23\xa0hours" in answer.content.decode()

    def test_the_badge_the_card_and_the_view_count_the_same(self, case: Dispute) -> None:
        Dispute.objects.filter(pk=case.pk).update(evidence_due_at=clock.now())
        auditor = member("Auditor")

        overview = auditor.get(reverse("admin:index"))

        items = [
            item for group in overview.context["sidebar_navigation"] for item in group["items"]
        ]
        assert next(item["badge"] for item in items if item["title"] == "Disputes") == 1
        card = next(c for c in overview.context["cards"] if c.title == "Disputes due in 72 hours")
        assert (card.figure, card.tone) == ("1", "bad")
        assert len(auditor.get(card.href).context["cl"].result_list) == 1
        assert " late</span>" in page_of(case)

    def test_a_purchase_shows_its_disputes(self, case: Dispute) -> None:
        html = member("Auditor").get(cells.page_of(case.purchase)).content.decode()

        row = tables_of(html)["Disputes"][1]
        assert row[1:] == ["Needs an answer", "Held", "fraudulent", "0.99 USD"]

    def test_the_page_needs_every_right(self, case: Dispute, staff: ClientOf) -> None:
        clerk = staff("payments.view_dispute", "payments.view_purchase")

        assert clerk.get(cells.page_of(case)).status_code == 403
        assert clerk.get(cells.listing(Dispute)).status_code == 403


class TestButtons:
    @pytest.mark.parametrize("role", ROLES)
    def test_follow_the_role(self, case: Dispute, role: str) -> None:
        client = member(role)
        allowed: set[str] = set()
        if role in ("Operator", "Finance manager"):
            allowed |= {"answer", "ask_again"}
        if role in ("Approver", "Finance manager"):
            allowed |= {"choose_policy", "accept"}

        for name in BUTTONS:
            answer = client.post(address(name, case), {})
            assert (answer.status_code != 403) == (name in allowed), name

        if role != "Staff admin":
            assert buttons(client, case) == allowed
        case.refresh_from_db()
        assert (case.status, case.policy) == (Status.NEEDS_RESPONSE, Policy.WRITERS)

    @pytest.mark.parametrize(
        ("status", "booked", "expected"),
        [
            ("NEEDS_RESPONSE", "HELD", set(BUTTONS)),
            ("UNDER_REVIEW", "HELD", {"ask_again", "choose_policy"}),
            ("WON", "NONE", {"choose_policy"}),
            ("LOST", "HELD", set()),
            ("LOST", "LOST", set()),
        ],
    )
    def test_follow_the_state(
        self, case: Dispute, status: str, booked: str, expected: set[str]
    ) -> None:
        Dispute.objects.filter(pk=case.pk).update(status=status, booked=booked)

        assert buttons(member("Finance manager"), case) == expected


class TestAnswer:
    def test_is_filled_in_from_our_books(self, case: Dispute) -> None:
        html = member("Operator").get(address("answer", case)).content.decode()

        assert "100 coins (package “Starter Pack”)" in html
        assert "“The chapter-4” (chapter-4) for 33 coins" in html
        assert "tipped a writer with 20 coins" in html
        assert f"Receipt of payment {case.purchase.reference}: 0.99 USD" in html
        assert tables_of(html)["Evidence we have"][1:] == [
            ["Chapters opened and tips sent with these coins", "have it", "2"],
            ["Consent to immediate delivery", "missing", ""],
            ["Earlier purchases that nobody disputes", "missing", "0"],
            ["The reader&#x27;s address in the profile", "missing", ""],
        ]

    def test_tells_nothing_of_other_readers_and_shows_no_address(self, case: Dispute) -> None:
        now = clock.now()
        factories.put_content("chapter-5", price=5, now=now)
        wallet_free(case)
        content.buy(user_id="reader-2", content_id="chapter-5", now=now, actor="user:reader-2")
        profile = customers.Profile("US", "", "USD", None, "", "ada.lovelace@example.com")
        customers.put(user_id=READER, profile=profile, expected_version=None, actor="x", now=now)
        assert Customer.objects.exists()

        html = member("Operator").get(address("answer", case)).content.decode()

        assert "chapter-5" not in html
        assert "ada.lovelace" not in html
        assert tables_of(html)["Evidence we have"][4][1] == "have it"

    def test_consent_and_earlier_purchases_speak_for_us(self, case: Dispute) -> None:
        factories.buy_coins(now=clock.now())
        consent = {"immediate_delivery": True, "acknowledged": True}
        Purchase.objects.filter(pk=case.purchase_id).update(consent=consent)

        html = member("Operator").get(address("answer", case)).content.decode()

        rows = tables_of(html)["Evidence we have"]
        assert [row[1:] for row in rows[2:4]] == [["have it", ""], ["have it", "1"]]
        assert "asked for immediate delivery and acknowledged" in html

    def test_is_sent_once_it_was_looked_at_twice(self, case: Dispute) -> None:
        url, operator = address("answer", case), user_of("Operator")
        client = member("Operator")

        html = send(client, url, message="All was read.")
        assert "This goes to the bank about 0.99 USD: message." in html
        assert "nothing can be added later" in html
        case.refresh_from_db()
        assert case.status == Status.NEEDS_RESPONSE
        html = send(client, url, message="All was read.", confirmed=mark_of(html))

        assert "The evidence is sent. The dispute: Under review." in html
        case.refresh_from_db()
        assert (case.status, case.answered_by) == (Status.UNDER_REVIEW, f"staff:{operator.pk}")
        tables = tables_of(html)
        assert tables["What we answered"][1] == ["Message", "All was read."]
        assert tables["Asked of the gateway"][1][:2] == ["evidence", "Answered"]

    def test_without_words_is_refused(self, case: Dispute) -> None:
        html = send(member("Operator"), address("answer", case), message=" ")

        assert "Evidence without any words" in error_of(html, "message")
        case.refresh_from_db()
        assert case.answered_at is None

    def test_an_address_that_is_none_is_refused(self, case: Dispute) -> None:
        html = send(
            member("Operator"),
            address("answer", case),
            message="x",
            customer_email="nobody",
            receipt_url="javascript:alert(1)",
        )

        assert error_of(html, "customer_email")
        assert error_of(html, "receipt_url")

    def test_after_the_decision_is_refused(self, case: Dispute) -> None:
        url, client = address("answer", case), member("Operator")
        first = send(client, url, message="x")
        money_back.lose(case, now=clock.now())

        html = send(client, url, message="x", confirmed=mark_of(first))

        assert "It is answered or decided already." in html
        case.refresh_from_db()
        assert case.answered_at is None

    def test_a_gateway_that_does_not_answer_is_said(
        self, case: Dispute, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(SandboxGateway, "submit_evidence", no_answer)

        html = twice(member("Operator"), address("answer", case), message="All was read.")

        assert "The payment gateway does not answer. Try again." in html
        assert "All was read." in html
        case.refresh_from_db()
        assert case.answered_at is None

    def test_the_readers_address_is_not_shown_again(self, case: Dispute) -> None:
        html = twice(
            member("Operator"),
            address("answer", case),
            message="x",
            customer_email="ada.lovelace@example.com",
        )

        assert ["Customer email", "given"] in tables_of(html)["What we answered"]
        assert "ada.lovelace" not in html


class TestGivingUp:
    def test_says_first_what_it_costs(self, case: Dispute) -> None:
        html = send(member("Approver"), address("accept", case), reason="the reader is right")

        for words in (
            "0.99 USD stay with the payer.",
            "47 coins, worth 0.4653 USD, are taken from reader-1, reader-2.",
            "0.350955 USD of earnings are taken back from writer-1, writer-2.",
            "0.173745 USD are our loss.",
            "This cannot be undone.",
            "Give up 0.99 USD",
        ):
            assert words in html
        case.refresh_from_db()
        assert case.status == Status.NEEDS_RESPONSE

    def test_gives_up(self, case: Dispute) -> None:
        html = twice(member("Approver"), address("accept", case), reason="the reader is right")

        assert "Given up: 0.99 USD stay with the payer." in html
        case.refresh_from_db()
        assert case.status == Status.LOST
        entry = AuditEntry.objects.get(action="payments.dispute.accepted")
        assert entry.reason == "the reader is right"

    def test_is_shown_again_when_it_costs_something_else_by_now(self, case: Dispute) -> None:
        url, client = address("accept", case), member("Approver")
        first = send(client, url, reason="the reader is right")
        Dispute.objects.filter(pk=case.pk).update(policy=Policy.READER)

        html = send(client, url, reason="the reader is right", confirmed=mark_of(first))

        assert "reader-1 owes us 0.5247 USD." in html
        case.refresh_from_db()
        assert case.status == Status.NEEDS_RESPONSE

    def test_needs_a_reason(self, case: Dispute) -> None:
        html = send(member("Approver"), address("accept", case), reason=" ")

        assert error_of(html, "reason")
        case.refresh_from_db()
        assert case.status == Status.NEEDS_RESPONSE


class TestPolicy:
    def test_is_chosen_with_a_reason(self, case: Dispute) -> None:
        url = address("choose_policy", case)

        html = send(member("Finance manager"), url, policy="READER", reason="third time")

        assert "If it is lost: The reader owes it; the next purchase pays." in html
        heading = tables_of(html)["If it is lost: who bears it"][0]
        assert heading[-1] == "The reader ✓, USD"
        case.refresh_from_db()
        assert case.policy == Policy.READER
        entry = AuditEntry.objects.get(action="payments.dispute.policy_chosen")
        assert (entry.before, entry.after) == ({"policy": "WRITERS"}, {"policy": "READER"})

    @pytest.mark.parametrize(
        ("typed", "field"),
        [
            ({"policy": "READER", "reason": ""}, "reason"),
            ({"policy": "NOBODY", "reason": "x"}, "policy"),
        ],
    )
    def test_is_refused_beside_the_field(
        self, case: Dispute, typed: dict[str, str], field: str
    ) -> None:
        html = send(member("Finance manager"), address("choose_policy", case), **typed)

        assert error_of(html, field)
        case.refresh_from_db()
        assert case.policy == Policy.WRITERS

    def test_comes_too_late_for_a_loss_that_is_booked(self, case: Dispute) -> None:
        money_back.lose(case, now=clock.now())

        html = send(
            member("Finance manager"),
            address("choose_policy", case),
            policy="READER",
            reason="third time",
        )

        assert "its policy cannot be chosen any more" in error_of(html, "policy")
        case.refresh_from_db()
        assert case.policy == Policy.WRITERS


class TestAskingAgain:
    def test_brings_what_the_gateway_knows(self, case: Dispute) -> None:
        bank.win(dispute_id=case.gateway_id, now=clock.now())

        html = send(member("Operator"), address("ask_again", case))

        assert "The gateway was asked. The dispute: Won." in html
        case.refresh_from_db()
        assert (case.status, case.booked) == (Status.WON, Dispute.Booked.NONE)

    def test_an_answer_that_does_not_come_is_said(
        self, case: Dispute, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(SandboxGateway, "get_dispute", no_answer)

        html = send(member("Operator"), address("ask_again", case))

        assert "The payment gateway does not answer. Try again." in html


def test_a_loss_that_was_undone_stays_on_the_page(case: Dispute) -> None:
    money_back.lose(case, now=clock.now())
    money_back.win(case, now=clock.now())

    tables = tables_of(page_of(case))

    assert tables["Losses"][1][1] == "Undone"
    kinds = [row[0] for row in tables["Ledger transactions"][1:]]
    posted = Transaction.objects.filter(source_type="dispute").order_by("id")
    assert kinds == [one.get_kind_display() for one in posted]
    assert len(kinds) >= 5


def test_hostile_words_are_words(boss: Client, busy: None) -> None:
    case = Dispute.objects.get(purchase__user_id="reader-11")
    for url in (cells.page_of(case), cells.listing(Dispute), cells.page_of(case.purchase)):
        html = boss.get(url).content.decode()
        assert EVIL not in html
        assert "&lt;script&gt;alert" in html, url
    for name in BUTTONS:
        assert EVIL not in boss.get(address(name, case)).content.decode()
    # The title of the chapter comes from the content service, and goes to the bank.
    assert "&lt;script&gt;alert" in boss.get(address("answer", case)).content.decode()


def wallet_free(case: Dispute) -> UUID:
    """The bank gave the money back, so the coins can be spent."""
    money_back.win(case, now=clock.now())
    return case.pk


def no_answer(*_: Any, **__: Any) -> Any:
    """The connection breaks before anything is sent."""
    raise base.Unavailable("no route", gateway="SANDBOX", code="connect")
