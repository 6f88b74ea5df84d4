"""Settlements and bank statements in the back office: looked at, imported, matched, explained"""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from legato_payments.backoffice import roles
from legato_payments.lib import clock
from legato_payments.lib.money import Money
from legato_payments.lib.pages import cells
from payments.enums import Provider
from payments.gateways.values import SettlementState, SettlementStatus
from payments.models import BankReceipt, BankStatement, Settlement
from payments.services import bank_statements, settlements
from tests.backoffice.conftest import logged_in
from tests.ledger import books

pytestmark = pytest.mark.django_db

UPLOAD = "admin:payments_bankstatement_upload"
HEADER = "date,amount,currency,reference,description"


@pytest.fixture
def settlement() -> Settlement:
    """98 USD that a gateway paid, and should have been at the bank two weeks ago."""
    now = clock.now()
    state = SettlementState(
        gateway_id="po_98",
        amount=Money.parse("98", "USD"),
        status=SettlementStatus.PAID,
        arrives_on=now.date() - timedelta(days=14),
        created_at=now - timedelta(days=16),
    )
    return settlements.record(provider=Provider.SANDBOX, state=state, now=now)


@pytest.fixture
def receipt(settlement: Settlement) -> BankReceipt:
    """96 USD on today's statement."""
    now = clock.now()
    done = bank_statements.import_file(
        content=csv("96.00").encode(), name="a.csv", form="", actor="staff:9", now=now
    )
    return done.receipts[0]


def csv(amount: str, reference: str = "B-1") -> str:
    return f"{HEADER}\n{clock.now():%Y-%m-%d},{amount},USD,{reference},A transfer\n"


def upload(client: Client, content: str, **typed: str) -> Any:
    file = SimpleUploadedFile("november.csv", content.encode())
    return client.post(reverse(UPLOAD), {"file": file, "form": "", "account": "", **typed})


def press(client: Client, receipt: BankReceipt, name: str, **typed: str) -> str:
    """What the page says after a button of a line was used."""
    address = reverse(f"admin:payments_bankreceipt_{name}", args=[receipt.pk])
    return client.post(address, typed, follow=True).content.decode()


def member(role: str) -> Client:
    roles.sync(now=clock.now())
    user = User.objects.create_user(role, password="unused", is_staff=True)
    user.groups.set([Group.objects.get(name=role)])
    return logged_in(user)


class TestUpload:
    def test_a_file_comes_in_with_its_lines(self, boss: Client, superuser: User) -> None:
        answer = upload(boss, csv("12.00"), account="12345678")

        assert answer.status_code == 302
        statement = BankStatement.objects.get()
        assert bytes(statement.content).decode() == csv("12.00")
        assert (statement.name, statement.imported_by) == ("november.csv", f"staff:{superuser.pk}")
        html = boss.get(cells.page_of(statement)).content.decode()
        assert "••5678" in html
        assert "12345678" not in html
        assert statement.sha256 in html
        assert "12.00 USD" in html

    def test_a_wrong_line_is_told_beside_the_file(self, boss: Client) -> None:
        before = books.fingerprint()

        html = upload(boss, csv("12,00")).content.decode()

        assert "line 2: a line has 5 cells, not 6" in html
        assert "enctype=" in html
        assert books.fingerprint() == before

    def test_the_same_file_again_is_refused(self, boss: Client) -> None:
        upload(boss, csv("12.00"))
        before = books.fingerprint()

        html = upload(boss, csv("12.00")).content.decode()

        assert "This very file was imported as november.csv." in html
        assert books.fingerprint() == before

    def test_too_large_a_file_is_refused(
        self, boss: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bank_statements, "MAX_BYTES", 50)
        before = books.fingerprint()

        html = upload(boss, csv("12.00")).content.decode()

        assert "A statement has at most" in html
        assert books.fingerprint() == before

    def test_what_was_here_before_is_named(self, boss: Client) -> None:
        upload(boss, csv("12.00"))

        both = csv("12.00") + csv("13.00", "B-2").splitlines()[1]
        file = SimpleUploadedFile("second.csv", both.encode())
        html = boss.post(reverse(UPLOAD), {"file": file}, follow=True).content.decode()

        assert (
            "New lines: 1, matched: 0, to match or explain: 1; already here: 2 (in november.csv)."
            in html
        )
        second = cells.page_of(BankStatement.objects.get(name="second.csv"))
        assert f'See <a class="bo-link" href="{second}">second.csv</a>.' in html
        page = boss.get(second)
        assert "Lines that an earlier file had" in page.content.decode()

    def test_the_file_is_given_back_as_it_came(self, boss: Client) -> None:
        upload(boss, csv("12.00"))
        statement = BankStatement.objects.get()

        answer = boss.get(reverse("admin:payments_bankstatement_download", args=[statement.pk]))

        assert answer.content.decode() == csv("12.00")
        assert answer["Content-Disposition"].startswith("attachment;")
        assert answer["Content-Type"] == "application/octet-stream"
        assert answer["X-Content-Type-Options"] == "nosniff"


class TestDeciding:
    def test_a_line_is_matched_with_a_difference(
        self, boss: Client, receipt: BankReceipt, settlement: Settlement, superuser: User
    ) -> None:
        typed = {"settlement_id": str(settlement.pk), "reason": "bank fee"}

        refused = press(boss, receipt, "match", **typed)
        assert "The line is off by -2.00 USD." in refused
        assert BankReceipt.objects.open().count() == 1
        html = press(boss, receipt, "match", **typed, allow_difference="on")

        assert "B-1 is settlement po_98." in html
        assert "-2.00 USD" in html
        receipt.refresh_from_db()
        assert (receipt.settlement, receipt.decided_by) == (settlement, f"staff:{superuser.pk}")
        page = boss.get(cells.page_of(settlement)).content.decode()
        assert "Received" in page
        assert "-2.00 USD" in page

    def test_a_line_is_explained_and_opened_again(self, boss: Client, receipt: BankReceipt) -> None:
        html = press(boss, receipt, "explain", explained_as="INTEREST", reason="October")
        assert "B-1 is explained." in html
        assert "Interest" in html

        html = press(boss, receipt, "reopen", reason="it is not")

        assert "B-1 is open again." in html
        assert BankReceipt.objects.open().get() == receipt

    @pytest.mark.parametrize(
        ("name", "typed"),
        [
            ("match", {"settlement_id": "x", "reason": "r", "allow_difference": "on"}),
            ("match", {"settlement_id": "", "reason": "r"}),
            ("explain", {"explained_as": "GIFT", "reason": "r"}),
            ("explain", {"explained_as": "OTHER", "reason": ""}),
            ("reopen", {"reason": "nothing was decided"}),
        ],
    )
    def test_what_makes_no_sense_changes_nothing(
        self, boss: Client, receipt: BankReceipt, name: str, typed: dict[str, str]
    ) -> None:
        before = books.fingerprint()

        html = press(boss, receipt, name, **typed)

        assert 'role="alert"' in html
        assert books.fingerprint() == before

    def test_the_buttons_fit_the_state(self, boss: Client, receipt: BankReceipt) -> None:
        page = cells.page_of(receipt)
        opened = boss.get(page).content.decode()
        assert ("Explain…" in opened, "Open again…" in opened) == (True, False)

        press(boss, receipt, "explain", explained_as="OTHER", reason="r")

        decided = boss.get(page).content.decode()
        assert ("Explain…" in decided, "Open again…" in decided) == (False, True)


class TestLists:
    def test_what_is_overdue_is_found(
        self, boss: Client, receipt: BankReceipt, settlement: Settlement
    ) -> None:
        late = boss.get(cells.listing(Settlement, "look=bank")).content.decode()
        differing = boss.get(cells.listing(Settlement, "look=lines")).content.decode()
        opened = boss.get(cells.listing(BankReceipt, "state=open")).content.decode()
        matched = boss.get(cells.listing(BankReceipt, "state=matched")).content.decode()

        assert "po_98" in late
        assert "Overdue" in late
        assert "Nothing matches" in differing
        assert "96.00 USD" in opened
        assert "Nothing matches" in matched

    def test_the_overview_counts_it(self, boss: Client, receipt: BankReceipt) -> None:
        html = boss.get(reverse("admin:index")).content.decode()

        assert "Settlements overdue at the bank" in html
        assert "Bank lines to match or explain" in html


class TestRoles:
    @pytest.mark.parametrize(
        ("role", "sees", "acts"),
        [
            ("Operator", True, True),
            ("Finance manager", True, True),
            ("Approver", True, False),
            ("Auditor", True, False),
            ("Support", False, False),
            ("Staff admin", False, False),
        ],
    )
    def test_see_and_act_as_the_table_says(
        self, receipt: BankReceipt, role: str, sees: bool, acts: bool
    ) -> None:
        client = member(role)
        file = reverse("admin:payments_bankstatement_download", args=[receipt.statement_id])
        looks = [
            *(cells.listing(model) for model in (Settlement, BankStatement, BankReceipt)),
            cells.page_of(receipt),
            file,
        ]
        does = [
            reverse(UPLOAD),
            *(
                reverse(f"admin:payments_bankreceipt_{name}", args=[receipt.pk])
                for name in ("match", "explain", "reopen")
            ),
        ]

        assert {client.get(one).status_code for one in looks} == {200 if sees else 403}
        assert {client.post(one, {}).status_code for one in does} == {200 if acts else 403}
