"""Writers: what they earned, wrote, and under which rates."""

from collections.abc import Iterator

from django.contrib import admin

from legato_payments.lib import clock
from legato_payments.lib.admin import RecordAdmin
from legato_payments.lib.pages import cells, columns, tables
from legato_payments.lib.pages.tables import Section, Table, number
from payments.enums import Stream, Unit
from revenue.admin.earnings import AMOUNT, state
from revenue.admin.splits import state as rule_state
from revenue.admin.splits import with_in_force
from revenue.models import Writer
from revenue.queries import earnings as earning_queries

SHOWN = 50


@admin.display(description="Pending")
def pending(writer: Writer) -> str:
    """What can still be taken back."""
    return cells.amount(_earned(writer).pending_micros, Unit.USD)


@admin.display(description="Available")
def available(writer: Writer) -> str:
    """What counts for a payout."""
    return cells.amount(_earned(writer).available_micros, Unit.USD)


def _earned(writer: Writer) -> earning_queries.Earnings:
    return earning_queries.of_writer(
        writer_id=writer.pk, group_by=earning_queries.GroupBy.STREAM, now=clock.now()
    )


@admin.register(Writer)
class WriterAdmin(RecordAdmin):
    """Known from the first content on."""

    list_display = [
        "writer_id",
        "level",
        columns.text("country"),
        columns.moment("first_seen_at", "First seen"),
    ]
    list_filter = ["level"]
    search_fields = ["writer_id__startswith"]
    search_help_text = "Writer id, or its beginning"
    ordering = ["writer_id"]
    nothing_yet = "No writers yet. The content service names them with their first chapter."

    facts = (
        "writer_id",
        "level",
        columns.text("country"),
        columns.moment("first_seen_at", "First seen"),
        available,
        pending,
    )

    def sections(self, obj: Writer) -> Iterator[Section]:
        """Money first, then what it comes from."""
        yield by_stream(obj)
        yield last_earnings(obj)
        yield written(obj)
        yield own_rates(obj)


def by_stream(writer: Writer) -> Table:
    """All that was ever earned, reversals included."""
    groups = _earned(writer).groups
    names = {stream.value.lower(): stream.label for stream in Stream}
    return Table(
        title="Earned by stream",
        headings=["Stream", number("Sales"), number("Coins"), number("Earned")],
        rows=[
            [
                names.get(group.key, group.key),
                f"{group.transactions:,}",
                f"{group.coins:,}",
                cells.amount(group.amount_micros, Unit.USD),
            ]
            for group in groups
        ],
        empty="This writer earned nothing yet.",
    )


def last_earnings(writer: Writer) -> Table:
    """The newest earnings."""
    earnings = writer.earnings.select_related("transaction").order_by("-occurred_at", "-id")
    shown, note = tables.newest(earnings[: SHOWN + 1], SHOWN)
    return Table(
        title="Last earnings",
        headings=["Occurred", "From", "Content", "State", number("Earned")],
        rows=[
            [
                cells.moment(earning.occurred_at),
                cells.link(earning.transaction, earning.transaction.get_kind_display()),
                cells.code(earning.content_id),
                state(earning),
                cells.link(earning, AMOUNT(earning)),
            ]
            for earning in shown
        ],
        empty="This writer earned nothing yet.",
        note=note,
    )


def written(writer: Writer) -> Table:
    """Content, and the writer's share of it."""
    authorships = writer.authorships.order_by("-valid_from", "-id")
    shown, note = tables.newest(authorships[: SHOWN + 1], SHOWN)
    return Table(
        title="Content",
        headings=["Content", number("Share"), "From", "Until"],
        rows=[
            [
                cells.code(authorship.content_id),
                cells.percent(authorship.share_bps),
                cells.moment(authorship.valid_from),
                cells.moment(authorship.valid_to) if authorship.valid_to else "now",
            ]
            for authorship in shown
        ],
        note=note,
    )


def own_rates(writer: Writer) -> Table:
    """Rules for this writer alone."""
    rules = with_in_force(writer.split_rules.order_by("-valid_from", "-id"))
    return Table(
        title="Own rates",
        headings=["Stream", number("Writers' rate"), "State", "From", "Reason"],
        rows=[
            [
                cells.link(rule, rule.get_stream_display()),
                cells.percent(rule.rate_bps),
                rule_state(rule),
                cells.moment(rule.valid_from),
                rule.reason or cells.EMPTY,
            ]
            for rule in rules
        ],
        empty="No rule of its own: the rate of the level, or everybody's, counts.",
    )
