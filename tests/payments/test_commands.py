"""manage.py refresh_rates, and the commands that play readers and banks at the sandbox"""

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from legato_payments.lib import clock
from payments.enums import Provider
from payments.gateways.sandbox import books
from payments.gateways.sandbox import refunds as sandbox_refunds
from payments.models import (
    BankReceipt,
    CurrencyRate,
    SandboxCharge,
    SandboxDelivery,
    Settlement,
)
from payments.services import settlements
from tests import factories
from tests.factories import NOW
from tests.payments import books_of

pytestmark = pytest.mark.django_db

HEADER = "base,quote,rate,date\n"
UNKNOWN = "01930000-0000-7000-8000-00000000ffff"


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def fail(*arguments: str) -> tuple[int, str, str]:
    """The exit code, the message and what was printed before it."""
    out = StringIO()
    with pytest.raises(CommandError) as error:
        call_command(*arguments, stdout=out)
    return error.value.returncode, str(error.value), out.getvalue()


class TestRefreshRates:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        """A file with both rates."""
        path = tmp_path / "rates.csv"
        path.write_text(f"{HEADER}USD,CAD,1.38,2026-01-02\nUSD,NGN,1400.5,2026-01-02\n")
        return path

    def test_records_the_fixed_rates(self) -> None:
        printed = run("refresh_rates", "--provider", "fixed")

        assert "recorded  1 USD = 1.3706 CAD" in printed
        assert "recorded  1 USD = 1371.8079 NGN" in printed
        assert CurrencyRate.objects.count() == 2

    def test_says_when_there_is_nothing_new(self) -> None:
        run("refresh_rates", "--provider", "fixed")

        with books_of.nothing_changed():
            printed = run("refresh_rates", "--provider", "fixed")

        assert printed.startswith("Nothing new")

    def test_uses_the_configured_source_unless_told(self, settings: Any, file: Path) -> None:
        settings.RATE_PROVIDER = "file"
        settings.RATE_FILE = str(file)

        run("refresh_rates")

        assert set(CurrencyRate.objects.values_list("source", flat=True)) == {"file"}

    def test_prints_json_for_machines(self, file: Path) -> None:
        printed = run("refresh_rates", "--file", str(file), "--format", "json")

        row = {"base": "USD", "as_of": "2026-01-02", "source": "file"}
        assert json.loads(printed) == {
            "recorded": [
                {**row, "quote": "CAD", "rate": "1.38"},
                {**row, "quote": "NGN", "rate": "1400.5"},
            ],
            "refused": [],
        }

    def test_a_missing_rate_is_a_failure_and_the_other_still_counts(self, file: Path) -> None:
        file.write_text(f"{HEADER}USD,NGN,1400,2026-01-02\n")

        code, message, printed = fail("refresh_rates", "--provider", "file", "--file", str(file))

        assert (code, message) == (1, "1 of the rates were not taken")
        assert "recorded  1 USD = 1400 NGN (2026-01-02, file)" in printed
        assert "refused   USD/CAD: not given" in printed
        assert CurrencyRate.objects.get().quote == "NGN"

    def test_a_jump_is_a_failure(self, file: Path) -> None:
        run("refresh_rates", "--file", str(file))
        file.write_text(f"{HEADER}USD,CAD,13.8,2026-01-03\nUSD,NGN,1400.5,2026-01-02\n")

        with books_of.nothing_changed():
            code, _, printed = fail("refresh_rates", "--file", str(file), "--format", "json")

        assert code == 1
        [refused] = json.loads(printed)["refused"]
        assert refused.startswith("USD/CAD: 13.8")

    def test_an_unreadable_file_is_a_failure_that_names_the_line(self, file: Path) -> None:
        file.write_text(f"{HEADER}USD,CAD,1.38,yesterday\n")

        with books_of.nothing_changed():
            code, _, printed = fail("refresh_rates", "--file", str(file), "--format", "json")

        assert code == 1
        assert json.loads(printed) == {
            "recorded": [],
            "refused": [f"{file}, line 2: 'yesterday' is no date"],
        }

    @pytest.mark.parametrize(
        "arguments", [["--provider", "file"], ["--provider", "fixed", "--file", "rates.csv"]]
    )
    def test_a_source_that_is_not_set_up_is_wrong_use(
        self, settings: Any, arguments: list[str]
    ) -> None:
        settings.RATE_FILE = ""

        with books_of.nothing_changed():
            code, _, printed = fail("refresh_rates", *arguments)

        assert (code, printed) == (2, "")


class TestSandboxPay:
    @pytest.mark.parametrize(
        ("outcome", "status"),
        [
            ("pay", "succeeded"),
            ("decline", "failed"),
            ("authenticate", "authenticating"),
            ("abandon", "open"),
        ],
    )
    def test_does_what_the_button_does(self, outcome: str, status: str) -> None:
        purchase = factories.start_purchase()

        with books_of.nothing_credited():
            printed = run("sandbox_pay", purchase.reference, "--outcome", outcome)

        assert printed == f"{purchase.reference} {status}\n"
        assert factories.charge_of(purchase).status == status.upper()

    def test_pays_unless_told_otherwise(self) -> None:
        purchase = factories.start_purchase()

        run("sandbox_pay", purchase.reference)

        assert factories.charge_of(purchase).status == SandboxCharge.Status.SUCCEEDED
        assert SandboxDelivery.objects.count() == 1

    def test_knows_the_purchase_by_the_id_the_api_gave(self) -> None:
        purchase = factories.start_purchase()

        assert run("sandbox_pay", str(purchase.pk)) == f"{purchase.reference} succeeded\n"

    def test_confirms_at_the_bank(self) -> None:
        purchase = factories.start_purchase()
        run("sandbox_pay", purchase.reference, "--outcome", "authenticate")

        assert run("sandbox_pay", purchase.reference) == f"{purchase.reference} succeeded\n"

    @pytest.mark.parametrize("payment", ["lp0", "01930000-0000-7000-8000-00000000dead", ""])
    def test_an_unknown_payment_is_refused(self, payment: str) -> None:
        factories.start_purchase()

        with books_of.nothing_changed():
            code, message, _ = fail("sandbox_pay", payment)

        assert (code, message) == (1, f"The sandbox has no payment {payment}.")

    def test_a_closed_payment_is_refused(self) -> None:
        purchase = factories.start_purchase()
        books.cancel(charge_id=factories.charge_of(purchase).pk, now=NOW)

        with books_of.nothing_changed():
            code, message, _ = fail("sandbox_pay", purchase.reference)

        assert (code, message) == (1, f"{purchase.reference} is closed: cancelled.")

    def test_is_refused_where_the_sandbox_is_off(self, settings: Any) -> None:
        purchase = factories.start_purchase()
        settings.GATEWAY_SANDBOX = False

        with books_of.nothing_changed():
            code, message, _ = fail("sandbox_pay", purchase.reference)

        assert code == 1
        assert message.startswith("The sandbox is off here")


class TestSandboxBank:
    """sandbox_bank and sandbox_advance: what banks do, in a walkthrough"""

    def test_disputes_a_payment_and_decides(self) -> None:
        purchase = factories.buy_coins()

        opened = run("sandbox_bank", purchase.reference, "dispute")
        won = run("sandbox_bank", str(purchase.pk), "win")

        assert "NEEDS_RESPONSE" in opened
        assert "WON" in won

    @pytest.mark.parametrize("action", ["win", "lose", "withdraw", "refuse-refund"])
    def test_decides_nothing_where_there_is_nothing(self, action: str) -> None:
        purchase = factories.buy_coins()

        with pytest.raises(CommandError):
            run("sandbox_bank", purchase.reference, action)

    def test_days_end_refunds_lose_disputes_and_pay_us_out(self) -> None:
        pending = factories.start_purchase(saved_method="pm_refund_pending", now=clock.now())
        sandbox_refunds.make(charge_id=pending.payment_id, amount_minor=100, now=clock.now())
        factories.start_purchase("reader-2", saved_method="pm_dispute", now=clock.now())

        said = run("sandbox_advance", "--days", "20")

        assert said == "1 refunds ended, 1 disputes lost, 1 transfers to the bank\n"

    def test_the_statement_of_our_bank_is_one_we_can_import(self, tmp_path: Path) -> None:
        factories.buy_coins(now=clock.now() - timedelta(days=3))
        run("sandbox_advance", "--days", "0")
        settlements.collect(provider=Provider.SANDBOX, now=clock.now())
        statement = tmp_path / "statement.csv"

        statement.write_text(run("sandbox_statement", "USD"))
        said = run("import_bank_statement", str(statement))

        assert "Lines: 1, new: 1, matched: 1" in said
        assert BankReceipt.objects.get().settlement == Settlement.objects.get()

    @pytest.mark.parametrize(
        ("arguments", "code"), [(["CAD"], 1), (["USD", "--from", "2099-01-01"], 2)]
    )
    def test_a_statement_of_nothing_is_refused(self, arguments: list[str], code: int) -> None:
        assert fail("sandbox_statement", *arguments)[0] == code

    def test_time_does_not_go_back(self) -> None:
        with pytest.raises(CommandError):
            run("sandbox_advance", "--days", "-1")
