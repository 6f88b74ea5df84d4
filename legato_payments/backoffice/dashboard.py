"""The landing page: what waits, and what stands in the books. Each card leads to its list."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, PermissionsMixin

from legato_payments.backoffice.sidebar import OPEN, OPEN_RECEIPTS, QUARANTINED
from legato_payments.lib.pages import cells
from legato_payments.lib.pages.cells import Tone
from legato_payments.lib.pages.tables import Section, Table, number
from payments.enums import Unit
from payments.models import (
    Account,
    Attempt,
    BankReceipt,
    CoinBalance,
    Difference,
    Dispute,
    Purchase,
    Refund,
    Settlement,
    WebhookEvent,
)
from payments.queries import overview as money_in
from payments.queries import settlements
from revenue.models import Earning
from revenue.queries import overview as money_out

PERIOD = timedelta(days=30)

type Person = AbstractBaseUser | AnonymousUser


@dataclass(frozen=True, slots=True)
class Card:
    """One figure, what it means, and the list behind it."""

    title: str
    figure: str
    words: str
    href: str
    tone: Tone = Tone.PLAIN


def cards(person: Person, *, now: datetime) -> list[Card]:
    """The cards that this person may see."""
    found: list[Card] = []
    if _may(person, "payments.view_purchase"):
        found += _purchases(money_in.purchases_to_do())
    if _may(person, "payments.view_refund"):
        found += _refunds()
    if _may(person, "payments.view_dispute"):
        found += _disputes(now)
    if _may(person, "payments.view_attempt"):
        found += _outcomes(now)
    if _may(person, "payments.view_webhookevent"):
        found += _webhooks(money_in.webhooks_to_do())
    if _may(person, "payments.view_settlement"):
        found += _bank(settlements.to_look_at(on=now.date()), settlements.open_lines().count())
    if _may(person, "payments.view_difference"):
        found += _differences(money_in.differences_to_do(now=now))
    if _may(person, "payments.view_coinbalance"):
        found += _coins(money_in.coin_float())
    if _may(person, "revenue.view_earning"):
        found += _owed(money_out.owed(now=now))
    return found


def tables(person: Person, *, now: datetime) -> Iterator[Section]:
    """Sales of the last days, a row per currency."""
    if not _may(person, "payments.view_purchase"):
        return
    yield Table(
        title=f"Settled purchases, last {PERIOD.days} days",
        headings=[
            "Currency",
            number("Purchases"),
            number("Coins"),
            number("Paid, tax included"),
            number("Gateway fees"),
        ],
        rows=[
            [
                row.currency,
                f"{row.purchases:,}",
                f"{row.coins:,}",
                cells.amount(row.paid_micros, row.currency),
                " · ".join(map(str, row.fees)) or cells.EMPTY,
            ]
            for row in money_in.sales(since=now - PERIOD)
        ],
        empty="Nothing was sold in this time.",
        note="Currencies stand by themselves; they are never added up.",
    )


def _purchases(work: money_in.PurchasesToDo) -> list[Card]:
    status = Purchase.Status
    return [
        Card(
            "Quarantined purchases",
            f"{work.quarantined:,}",
            "paid unlike what was due: a person decides",
            cells.listing(Purchase, QUARANTINED),
            Tone.WARN if work.quarantined else Tone.GOOD,
        ),
        Card(
            "Purchases awaiting payment",
            f"{work.awaiting_payment:,}",
            "settle or expire by themselves",
            cells.listing(Purchase, f"status__in={status.CREATED},{status.PENDING}"),
        ),
    ]


def _refunds() -> list[Card]:
    waiting = money_in.refunds_to_look_at()
    return [
        Card(
            "Refunds to look at",
            f"{waiting:,}",
            f"stuck at the gateway; on their way: {money_in.refunds_open():,}",
            cells.listing(Refund, "view=waiting"),
            Tone.WARN if waiting else Tone.GOOD,
        )
    ]


def _disputes(now: datetime) -> list[Card]:
    due = money_in.disputes_due(now=now)
    return [
        Card(
            "Disputes due in 72 hours",
            f"{due:,}",
            f"lost unless they are answered; open: {money_in.disputes_open():,}",
            cells.listing(Dispute, "view=due"),
            Tone.BAD if due else Tone.GOOD,
        )
    ]


def _outcomes(now: datetime) -> list[Card]:
    unknown = money_in.outcomes_to_look_at(now=now)
    return [
        Card(
            "Unknown outcomes",
            f"{unknown:,}",
            "nobody knows for a day what a gateway did",
            cells.listing(Attempt, "view=waiting"),
            Tone.BAD if unknown else Tone.GOOD,
        )
    ]


def _webhooks(work: money_in.WebhooksToDo) -> list[Card]:
    return [
        Card(
            "Failed webhooks",
            f"{work.failed:,}",
            f"given up after many tries; {work.waiting:,} wait for their turn",
            cells.listing(WebhookEvent, "view=failed"),
            Tone.BAD if work.failed else Tone.GOOD,
        )
    ]


def _bank(work: settlements.ToLookAt, open_lines: int) -> list[Card]:
    return [
        Card(
            "Settlements overdue at the bank",
            f"{work.overdue:,}",
            f"and {work.differing:,} that differ from their own lines",
            cells.listing(Settlement, "look=bank" if work.overdue else "look=lines"),
            Tone.BAD if work.overdue or work.differing else Tone.GOOD,
        ),
        Card(
            "Bank lines to match or explain",
            f"{open_lines:,}",
            "of our bank statements, in no settlement so far",
            cells.listing(BankReceipt, OPEN_RECEIPTS),
            Tone.WARN if open_lines else Tone.GOOD,
        ),
    ]


def _differences(work: money_in.DifferencesToDo) -> list[Card]:
    sums = " · ".join(cells.amount(micros, unit) for unit, micros in work.gap_micros.items())
    return [
        Card(
            "Reconciliation differences",
            f"{work.open:,}",
            f"{sums or 'no money'} in doubt; {work.long_open:,} open for over 48 hours",
            cells.listing(Difference, OPEN),
            Tone.BAD if work.long_open else Tone.WARN if work.open else Tone.GOOD,
        )
    ]


def _coins(held: money_in.Float) -> list[Card]:
    return [
        Card(
            "Coins readers hold",
            f"{held.coins:,}",
            "in all wallets, frozen coins included",
            cells.listing(CoinBalance),
        ),
        Card(
            "Owed in reading",
            cells.amount(held.deferred_micros, Unit.USD),
            "the value of all coins not used yet",
            cells.listing(Account, "q=coins_deferred"),
        ),
    ]


def _owed(owed: money_out.Owed) -> list[Card]:
    return [
        Card(
            "Owed to writers, available",
            cells.amount(owed.available_micros, Unit.USD),
            f"and {cells.amount(owed.pending_micros, Unit.USD)} pending",
            cells.listing(Earning),
        )
    ]


def _may(person: Person, permission: str) -> bool:
    return isinstance(person, PermissionsMixin) and person.has_perm(permission)
