"""manage.py export_journal, added up again by an independent program"""

import csv
import io
import random
import shutil
import subprocess
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import call_command, execute_from_command_line

from access.services import content, reversals, tips
from payments.models import CoinBalance, Entry
from payments.queries import journal
from tests import factories

START = datetime(2026, 10, 1, 6, tzinfo=UTC)


def live_a_random_month(seed: int) -> None:
    """Readers buy in three currencies, read, tip, and take things back."""
    chance = random.Random(seed)
    readers = [f"reader-{number}" for number in range(6)]
    for number in range(8):
        shares = {f"writer-{number % 3}": 6_000, f"writer-{(number + 1) % 3}": 4_000}
        factories.put_content(
            f"chapter-{number}", price=chance.randint(3, 60), shares=shares, now=START
        )
    factories.rates(START)
    for step in range(160):
        now = START + timedelta(minutes=step * 9)
        reader = chance.choice(readers)
        wallet = CoinBalance.objects.filter(user_id=reader).first()
        if wallet is None or wallet.coins < 100:
            currency = chance.choice(["USD", "CAD", "NGN"])
            factories.buy_coins(reader, "Reader Pack", currency=currency, now=now)
        elif chance.random() < 0.3:
            tips.send(sender_id=reader, recipient_id="writer-1", coins=10, now=now, actor="user:x")
        else:
            chapter = f"chapter-{chance.randrange(8)}"
            bought = content.buy(user_id=reader, content_id=chapter, now=now, actor="user:x")
            if bought.charged and chance.random() < 0.2:
                assert bought.entitlement.transaction_id
                reversals.reverse(
                    transaction_id=bought.entitlement.transaction_id,
                    actor="staff:1",
                    reason="test",
                    now=now,
                )


def our_balances() -> dict[tuple[str, str], Decimal]:
    """Every account's balance by our own entries."""
    sums: Counter[tuple[str, str]] = Counter()
    for entry in Entry.objects.select_related("account"):
        name = journal.account_name(entry.account.code, entry.account.owner_id)
        sums[name, entry.unit] += entry.amount
    return {
        (name, unit): Decimal(total) if unit == "COIN" else Decimal(total) / 1_000_000
        for (name, unit), total in sums.items()
        if total
    }


def balances_by_hledger(path: Path) -> dict[tuple[str, str], Decimal]:
    """Every account's balance as hledger adds it up."""
    out = subprocess.run(
        ["hledger", "-f", str(path), "balance", "--flat", "--layout=bare", "-O", "csv", "-N"],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout
    rows = list(csv.DictReader(io.StringIO(out)))
    return {
        (row["account"], row["commodity"]): Decimal(row["balance"].replace(",", ""))
        for row in rows
        if Decimal(row["balance"].replace(",", ""))
    }


@pytest.mark.django_db
@pytest.mark.skipif(not shutil.which("hledger"), reason="hledger is not installed")
def test_hledger_finds_the_same_balance_of_every_account(tmp_path: Path) -> None:
    live_a_random_month(seed=20_261_001)
    path = tmp_path / "books.journal"

    call_command("export_journal", "--output", str(path))

    ours = our_balances()
    assert len(ours) > 15
    assert balances_by_hledger(path) == ours
    check = ["hledger", "-f", str(path), "check"]
    assert subprocess.run(check, check=False, capture_output=True, timeout=60).returncode == 0


@pytest.mark.django_db
def test_only_the_days_asked_for_are_written() -> None:
    factories.buy_coins("ann", "Starter Pack", now=START)
    factories.buy_coins("bob", "Starter Pack", now=START + timedelta(days=3))
    out = io.StringIO()

    call_command("export_journal", "--from", "2026-10-02", "--to", "2026-10-31", stdout=out)

    assert "wallet:bob" in out.getvalue()
    assert "wallet:ann" not in out.getvalue()
    assert "coins_deferred  -0.990000 USD" in out.getvalue()


@pytest.mark.parametrize("option", ["--from", "--to"])
def test_what_is_no_day_is_told_in_one_line(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        execute_from_command_line(["manage.py", "export_journal", option, "2026-02-30"])

    assert stopped.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.endswith(f"argument {option}: 2026-02-30 is not a day (YYYY-MM-DD)")
