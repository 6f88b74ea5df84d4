"""What a dispute costs whom, and what we know to answer, as tables."""

from collections.abc import Iterator
from typing import Any

from django.utils.html import format_html, format_html_join

from access.queries.dispute_evidence import Known
from access.services import dispute_losses
from access.services.dispute_impact import Impact, Spent
from legato_payments.lib.money import Money
from legato_payments.lib.pages import cells, people, tables
from legato_payments.lib.pages.cells import Tone
from legato_payments.lib.pages.tables import Section, Step, Steps, Table, number
from payments.admin.transactions import drafted
from payments.enums import TransactionKind, Unit
from payments.ledger import templates
from payments.models import CoinBalance, Dispute, Transaction

Booked = Dispute.Booked
Status = Dispute.Status
Policy = Dispute.Policy

SHOWN = 100

SHORT = {
    Policy.WRITERS: "Writers, then we",
    Policy.PLATFORM: "We",
    Policy.READER: "The reader",
}
"""Who bears a loss, as a heading."""


def preview(dispute: Dispute, impact: Impact) -> Iterator[Section]:
    """All that losing would mean, and what would be posted then, or by winning."""
    yield who_bears(dispute, impact)
    yield unused_coins(impact)
    yield spent_coins(impact)
    yield drafted(
        "Postings if it is lost",
        dispute_losses.draft_of(dispute, impact),
        note="As things are now: earnings mature, and coins are spent, until it is decided.",
    )
    if dispute.booked == Booked.HELD:
        won = templates.dispute_won(
            provider=dispute.provider, currency=dispute.currency, amount=dispute.amount_micros
        )
        note = "The frozen coins can be spent again. What the gateway gives back of its fee is"
        yield drafted("Postings if it is won", won, note=f"{note} posted by its own figures.")


def who_bears(dispute: Dispute, impact: Impact) -> Table:
    """The loss under each policy; every column adds up to what is disputed."""
    rows = {
        "Unused coins taken back": [impact.unused_micros] * len(Policy),
        "Earnings taken back from writers": [impact.writers_micros(one) for one in Policy],
        "Our loss": [impact.platform_micros(one) for one in Policy],
        "Owed by the reader": [impact.reader_micros(one) for one in Policy],
    }
    sums = [sum(column) for column in zip(*rows.values(), strict=True)]
    proof = cells.mark("adds up ✓", Tone.GOOD)
    if set(sums) != {max(impact.value_micros, impact.unused_micros)}:
        proof = cells.mark(f"disputed: {_usd(impact.value_micros)}", Tone.BAD)
    note = f"Chosen: {Policy(dispute.policy).label}."
    if dispute.tax_micros:
        tax = Money(dispute.tax_micros, dispute.currency)
        note += f" {tax} of tax are not owed to the tax office any more."
    headings = [f"{SHORT[one]}{' ✓' if one == dispute.policy else ''}, USD" for one in Policy]
    return Table(
        title="If it is lost: who bears it",
        headings=["What", *map(number, headings)],
        rows=[[name, *map(_figure, column)] for name, column in rows.items()],
        totals=[format_html("Disputed, without tax {}", proof), *map(_figure, sums)],
        note=note,
    )


def unused_coins(impact: Impact) -> Table:
    """Whose coins would be taken: the buyer's, and those of readers who were given some."""
    wallets = CoinBalance.objects.filter(user_id__in=impact.unused)
    links = {wallet.user_id: cells.link(wallet, wallet.user_id) for wallet in wallets}
    return Table(
        title="If it is lost: unused coins",
        headings=["Reader", number("Coins"), number("USD")],
        rows=[
            [
                links[reader],
                f"{sum(part.coins for part in parts):,}",
                _figure(sum(part.value_micros for part in parts)),
            ]
            for reader, parts in impact.unused.items()
        ],
        totals=["Total", f"{sum(impact.coins.values()):,}", _figure(impact.unused_micros)],
        empty="Every coin of the purchase is used.",
    )


def spent_coins(impact: Impact) -> Table:
    """What these coins paid, newest first, and what of it writers would give back."""
    shown, note = tables.newest(impact.spent, SHOWN)
    taken = sum(part.amount_micros for spent in impact.spent for part in spent.taken)
    return Table(
        title="If it is lost: chapters and tips these coins paid",
        headings=[
            "What",
            "Content",
            "Reader",
            number("Coins"),
            number("USD"),
            "Can be taken back, USD",
            number("Available already, USD"),
        ],
        rows=[_spent(spent) for spent in shown],
        totals=[
            "Total",
            "",
            "",
            f"{sum(spent.coins for spent in impact.spent):,}",
            _figure(sum(spent.value_micros for spent in impact.spent)),
            _figure(taken),
            _figure(sum(spent.kept_micros for spent in impact.spent)),
        ],
        empty="The unused coins cover all that is disputed.",
        note=note or "What writers have available already stays theirs.",
    )


def _spent(spent: Spent) -> list[object]:
    parts = ((part.earning.writer_id, _figure(part.amount_micros)) for part in spent.taken)
    return [
        format_html(
            '<a class="bo-link" href="{}">{}</a>',
            cells.page(Transaction, spent.transaction_id),
            TransactionKind(spent.kind).label,
        ),
        cells.code(spent.content_id),
        spent.reader_id,
        f"{spent.coins:,}",
        _figure(spent.value_micros),
        format_html_join("", '<div class="bo-line">{} {}</div>', parts) or cells.EMPTY,
        _figure(spent.kept_micros),
    ]


def losses_of(dispute: Dispute) -> Table:
    """What a lost dispute did cost, also where it was undone since."""
    losses = dispute.losses.select_related("transaction", "undone_by").order_by("lost_at", "pk")
    return Table(
        title="Losses",
        headings=[
            "Lost",
            "State",
            "Borne by",
            number("Coins"),
            number("Unused, USD"),
            number("Writers, USD"),
            number("We, USD"),
            number("Reader, USD"),
        ],
        rows=[
            [
                cells.link(loss.transaction, cells.moment(loss.lost_at)),
                cells.link(loss.undone_by, "Undone")
                if loss.undone_by
                else cells.mark("Counts", Tone.BAD),
                SHORT[Policy(loss.policy)],
                f"{loss.coins:,}",
                _figure(loss.unused_micros),
                _figure(loss.writers_micros),
                _figure(loss.platform_micros),
                _figure(loss.reader_micros),
            ]
            for loss in losses
        ],
        empty="Nothing was lost.",
    )


def steps_of(dispute: Dispute) -> Steps:
    """Opened, answered, decided; each with when and by whom."""
    opened = Step("Opened", [cells.moment(dispute.opened_at), dispute.reason], Tone.GOOD)
    return Steps(title="How far it is", steps=[opened, _answered(dispute), _decided(dispute)])


def _answered(dispute: Dispute) -> Step:
    if dispute.answered_at:
        words = [cells.moment(dispute.answered_at), people.name_of(dispute.answered_by)]
        return Step("Answered", words, Tone.GOOD)
    if dispute.status == Status.NEEDS_RESPONSE:
        due = cells.moment(dispute.evidence_due_at)
        return Step("Evidence due", [due], Tone.WARN)
    if dispute.status == Status.UNDER_REVIEW:
        return Step("Answered", ["at the gateway's own dashboard"], Tone.GOOD)
    return Step("Not answered", [])


def _decided(dispute: Dispute) -> Step:
    when = [cells.moment(dispute.closed_at)] if dispute.closed_at else []
    match dispute.status:
        case Status.WON | Status.WITHDRAWN:
            return Step(dispute.get_status_display(), when, Tone.GOOD)
        case Status.LOST:
            is_booked = dispute.booked == Booked.LOST
            words = "the loss is booked" if is_booked else "the loss is booked in a moment"
            return Step("Lost", [*when, words], Tone.BAD)
        case _:
            return Step("Decided", ["not yet"])


def evidence_of(dispute: Dispute) -> Table:
    """What we answered; the reader's address is not shown again."""
    given: dict[str, Any] = dispute.evidence or {}
    rows = [
        [_label(name), "given" if name == "customer_email" else str(words)]
        for name, words in given.items()
        if words
    ]
    return Table(
        title="What we answered",
        headings=["What", "Words"],
        rows=rows,
        empty="Nothing was answered from here.",
    )


def checklist(known: Known) -> Table:
    """What speaks for us, and what is missing."""
    here, missing = cells.mark("have it", Tone.GOOD), cells.mark("missing", Tone.WARN)
    rows = [
        ["Chapters opened and tips sent with these coins", bool(known.openings), known.openings],
        ["Consent to immediate delivery", known.has_consent, ""],
        ["Earlier purchases that nobody disputes", bool(known.earlier), known.earlier],
        ["The reader's address in the profile", known.has_email, ""],
    ]
    return Table(
        title="Evidence we have",
        headings=["What", "State", number("How many")],
        rows=[[name, here if is_here else missing, count] for name, is_here, count in rows],
    )


def _label(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _figure(micros: int) -> str:
    return cells.figure(micros, Unit.USD)


def _usd(micros: int) -> str:
    return cells.amount(micros, Unit.USD)
