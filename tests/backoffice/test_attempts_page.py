"""Unknown outcomes, and wallets that a lost dispute blocks, in the back office"""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from access.services import content
from legato_payments.backoffice import roles
from legato_payments.lib import clock
from legato_payments.lib.pages import cells
from payments.models import Attempt, AuditEntry, CoinBalance, Dispute, Refund
from tests import factories, money_back
from tests.backoffice.conftest import EVIL
from tests.backoffice.members import ROLES, error_of, member, send
from tests.backoffice.test_transaction_page import tables_of
from tests.factories import READER

pytestmark = pytest.mark.django_db

State = Attempt.State


@pytest.fixture(autouse=True)
def _roles(db: None) -> None:
    roles.sync(now=clock.now())


@pytest.fixture
def unknown() -> Attempt:
    """A refund that perhaps was made, asked for two days ago."""
    purchase = factories.buy_coins(now=clock.now())
    refund = money_back.pay_back(purchase, "1.00", now=clock.now())
    attempt = Attempt.objects.get(object_id=refund.pk)
    attempt.state = State.UNKNOWN
    attempt.error = "Ambiguous timeout: no answer"
    attempt.created_at = clock.now() - timedelta(days=2)
    attempt.save()
    return attempt


def explain(attempt: Attempt) -> str:
    return reverse("admin:payments_attempt_explain", args=[attempt.pk])


def lift(wallet: CoinBalance) -> str:
    return reverse("admin:payments_coinbalance_lift_block", args=[wallet.pk])


class TestUnknownOutcomes:
    def test_the_page_has_the_evidence(self, unknown: Attempt) -> None:
        html = member("Auditor").get(cells.page_of(unknown)).content.decode()

        for words in (unknown.key, unknown.reference, unknown.error, unknown.request_hash):
            assert words in html
        assert cells.page(Refund, unknown.object_id) in html

    def test_is_counted_where_people_look(self, unknown: Attempt) -> None:
        auditor = member("Auditor")

        overview = auditor.get(reverse("admin:index"))

        sidebar = overview.context["sidebar_navigation"]
        items = {item["title"]: item for group in sidebar for item in group["items"]}
        assert items["Unknown outcomes"]["badge"] == 1
        card = next(one for one in overview.context["cards"] if one.title == "Unknown outcomes")
        assert card.figure == "1"
        answer = auditor.get(card.href)
        assert [row.pk for row in answer.context["cl"].result_list] == [unknown.pk]

    def test_one_of_this_hour_waits_for_no_person_yet(self, unknown: Attempt) -> None:
        Attempt.objects.filter(pk=unknown.pk).update(created_at=clock.now())

        answer = member("Auditor").get(cells.listing(Attempt), {"view": "waiting"})

        assert not answer.context["cl"].result_list
        links = {link.title: link.number for link in answer.context["cl"].saved_views}
        assert (links["To look at"], links["Not known yet"]) == (0, 1)

    def test_is_explained(self, unknown: Attempt) -> None:
        html = send(member("Operator"), explain(unknown), note="It is there, re_123.")

        assert "Explained: refund" in html
        unknown.refresh_from_db()
        assert (unknown.state, unknown.note) == (State.EXPLAINED, "It is there, re_123.")
        entry = AuditEntry.objects.get(action="payments.attempt.explained")
        assert entry.reason == "It is there, re_123."
        assert f'{explain(unknown)}"' not in html
        assert tables_of(html)["Audit"][1][1] == "Attempt explained"

    def test_needs_words(self, unknown: Attempt) -> None:
        html = send(member("Operator"), explain(unknown), note=" ")

        assert error_of(html, "note")
        unknown.refresh_from_db()
        assert unknown.state == State.UNKNOWN

    def test_what_is_known_is_not_explained(self, unknown: Attempt) -> None:
        Attempt.objects.filter(pk=unknown.pk).update(state=State.ANSWERED)

        html = send(member("Operator"), explain(unknown), note="x")

        assert "What came of it is known by now." in html
        unknown.refresh_from_db()
        assert (unknown.state, unknown.note) == (State.ANSWERED, "")
        assert explain(unknown) + '"' not in page(member("Operator"), unknown)

    @pytest.mark.parametrize("role", ROLES)
    def test_operators_and_managers_explain(self, unknown: Attempt, role: str) -> None:
        may = role in ("Operator", "Finance manager")

        answer = member(role).post(explain(unknown), {"note": "x"})

        assert answer.status_code == (302 if may else 403)
        unknown.refresh_from_db()
        assert (unknown.state == State.EXPLAINED) == may

    def test_hostile_words_are_words(self, boss: Client, busy: None) -> None:
        attempt = Attempt.objects.get(error=EVIL)
        for url in (cells.page_of(attempt), cells.listing(Attempt), explain(attempt)):
            html = boss.get(url).content.decode()
            assert EVIL not in html
            assert "&lt;script&gt;alert" in html, url


def page(client: Client, row: Attempt | CoinBalance) -> str:
    return client.get(cells.page_of(row)).content.decode()


class TestBlock:
    @pytest.fixture
    def blocked(self) -> CoinBalance:
        """A reader who owes us what a lost dispute took."""
        now = clock.now()
        purchase = factories.buy_coins(name="Starter Pack", now=now)
        factories.put_content("chapter-4", price=33, now=now)
        content.buy(user_id=READER, content_id="chapter-4", now=now, actor="user:reader-1")
        case = money_back.dispute(purchase, now=now)
        Dispute.objects.filter(pk=case.pk).update(policy=Dispute.Policy.READER)
        money_back.lose(case, now=now)
        wallet = CoinBalance.objects.get(user_id=READER)
        assert wallet.blocked_by
        return wallet

    def test_says_why_and_how_much(self, blocked: CoinBalance) -> None:
        html = page(member("Auditor"), blocked)

        assert "0.3267 USD" in html
        assert cells.page_of(Dispute.objects.get()) in html
        assert f'{lift(blocked)}"' not in html

    def test_is_lifted_with_a_reason_and_the_debt_stays(self, blocked: CoinBalance) -> None:
        html = send(member("Approver"), lift(blocked), reason="paid by bank transfer")

        assert "reader-1 can spend again." in html
        debt = blocked.debt_micros
        blocked.refresh_from_db()
        assert (blocked.blocked_by, blocked.debt_micros) == ("", debt)
        assert tables_of(html)["Audit"][1][1] == "Wallet unblocked"
        assert f'{lift(blocked)}"' not in html

    def test_needs_a_reason(self, blocked: CoinBalance) -> None:
        html = send(member("Approver"), lift(blocked), reason=" ")

        assert error_of(html, "reason")
        blocked.refresh_from_db()
        assert blocked.blocked_by

    @pytest.mark.parametrize("role", ROLES)
    def test_approvers_and_managers_lift_it(self, blocked: CoinBalance, role: str) -> None:
        may = role in ("Approver", "Finance manager")
        if role != "Staff admin":
            assert (f'{lift(blocked)}"' in page(member(role), blocked)) == may

        answer = member(role).post(lift(blocked), {"reason": "x"})

        assert answer.status_code == (302 if may else 403)
        blocked.refresh_from_db()
        assert bool(blocked.blocked_by) != may

    def test_a_wallet_that_can_spend_offers_nothing(self) -> None:
        factories.buy_coins(now=clock.now())
        wallet = CoinBalance.objects.get(user_id=READER)

        html = page(member("Approver"), wallet)

        assert "No: coins can be spent" in html
        assert f'{lift(wallet)}"' not in html
