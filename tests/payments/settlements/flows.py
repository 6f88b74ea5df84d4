"""What these tests start from: money at the sandbox, its way to the bank, files of the bank."""

import csv
import io
from datetime import date, datetime, timedelta
from typing import Any

from legato_payments.lib.money import Money
from payments.enums import Provider
from payments.gateways.registry import charge_gateway
from payments.gateways.sandbox import settlements as sandbox
from payments.gateways.values import SettlementState, SettlementStatus
from payments.ledger import chart
from payments.models import BankReceipt, SandboxSettlement, Settlement
from payments.services import bank_statements, settlements
from tests import factories
from tests.factories import NOW
from tests.ledger import books

SANDBOX = Provider.SANDBOX
DAY = timedelta(days=1)
PAID_OUT = NOW + 3 * DAY
"""When the sandbox pays out what was sold at NOW."""

STAFF = "staff:7"
COLUMNS = ["date", "amount", "currency", "reference", "description"]


def sell(reader: str = "reader-1", name: str = "Ultimate Pack", **facts: Any) -> None:
    """A paid purchase: an Ultimate Pack leaves 39.99 less 1.46 at the sandbox."""
    factories.buy_coins(reader, name, **facts)


def pay_out(now: datetime = PAID_OUT) -> list[SandboxSettlement]:
    """The sandbox sends its balance to our bank; we have not heard of it."""
    return sandbox.make(now=now)


def settled(now: datetime = PAID_OUT) -> Settlement:
    """One pack was sold and paid out, and we know: 38.53 USD, paid."""
    sell()
    (made,) = pay_out(now)
    settlements.collect(provider=SANDBOX, now=now)
    return Settlement.objects.get(gateway_id=made.pk)


def state(**changes: Any) -> SettlementState:
    """What a gateway could say of a transfer of 100 USD, paid unless changed."""
    facts: dict[str, Any] = {
        "gateway_id": "po_1",
        "amount": Money.parse("100", "USD"),
        "status": SettlementStatus.PAID,
        "arrives_on": PAID_OUT.date(),
        "created_at": PAID_OUT,
        "bank_reference": "",
        **changes,
    }
    return SettlementState(**facts)


def record(now: datetime = PAID_OUT, **changes: Any) -> Settlement:
    """We hear of such a transfer."""
    return settlements.record(provider=SANDBOX, state=state(**changes), now=now)


def balances(currency: str = "USD") -> tuple[int, int]:
    """What the books say is at the sandbox, and at our bank, in micros."""
    return (
        books.balance(chart.gateway(SANDBOX, currency)),
        books.balance(chart.bank(currency)),
    )


def at_the_gateway(currency: str = "USD") -> int:
    """What the sandbox itself says it holds, in micros."""
    found = charge_gateway(SANDBOX).balances()
    return sum(one.available.micros for one in found if one.available.currency == currency)


def line(**changes: str) -> dict[str, str]:
    """A line of a CSV statement that pays 38.53 USD in, unless changed."""
    return {
        "date": PAID_OUT.date().isoformat(),
        "amount": "38.53",
        "currency": "USD",
        "reference": "B-1",
        "description": "SANDBOX PAYOUT",
        **changes,
    }


def csv_of(*lines: dict[str, str]) -> bytes:
    """A CSV statement."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue().encode()


def bring(*lines: dict[str, str], now: datetime = PAID_OUT, **facts: Any) -> Any:
    """Somebody imports a CSV statement."""
    facts = {"name": "november.csv", "form": "", "actor": STAFF, **facts}
    return bank_statements.import_file(content=csv_of(*lines), now=now, **facts)


def receipt(**changes: str) -> BankReceipt:
    """The one line of a statement that somebody imported."""
    (made,) = bring(line(**changes)).receipts
    return BankReceipt.objects.get(pk=made.pk)


def day(number: int) -> str:
    """A day of November, as a statement writes it."""
    return date(2026, 11, number).isoformat()
