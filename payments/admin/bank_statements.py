"""Bank statements: the files that came, and the form that takes one."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from legato_payments.lib.admin import RecordAdmin, button
from legato_payments.lib.pages import cells, columns, tables
from legato_payments.lib.pages.proposals import ProposalForm
from legato_payments.lib.pages.tables import Section, Table, number
from payments.admin.audit import history_of
from payments.admin.bank_receipts import state
from payments.gateways.bank.base import StatementUnreadable
from payments.models import BankReceipt, BankStatement
from payments.services import bank_statements

SHOWN = 500


class UploadForm(ProposalForm):
    """A file of the bank."""

    told_at = {
        StatementUnreadable: "file",
        bank_statements.StatementKnown: "file",
        bank_statements.StatementTooLarge: "file",
    }

    file = forms.FileField(
        max_length=200,
        help_text="camt.053, or CSV with the header date,amount,currency,reference,description.",
    )
    form = forms.ChoiceField(
        label="Format",
        required=False,
        choices=[("", "By the file itself"), *BankStatement.Form.choices],
    )
    account = forms.CharField(
        max_length=64,
        required=False,
        help_text="Which of our accounts it is, where the file does not say.",
    )

    def arguments(self) -> dict[str, Any]:
        """The bytes of the file, and its name."""
        data = super().arguments()
        file = data.pop("file")
        # One byte too many is enough to refuse it.
        content = file.read(bank_statements.MAX_BYTES + 1)
        return {"content": content, "name": file.name, **data}


@admin.display(description="Account")
def account(statement: BankStatement) -> str:
    """Its last digits."""
    return masked(statement.account)


def masked(number_of_account: str) -> str:
    """What tells one account from the others, and is no number to pay to."""
    if len(number_of_account) <= 4:
        return number_of_account or cells.EMPTY
    return f"••{number_of_account[-4:]}"


@admin.display(description="New lines")
def number_new(statement: BankStatement) -> str:
    """Lines that no earlier file had."""
    return f"{statement.line_count - len(statement.duplicates):,}"


@admin.register(BankStatement)
class BankStatementAdmin(RecordAdmin):
    """Files are kept as they came."""

    list_display = [
        columns.moment("imported_at", "Imported"),
        columns.words("name", "File"),
        columns.state("form", {}, "Format"),
        account,
        "currency",
        columns.count("line_count", "Lines"),
        number_new,
        columns.person("imported_by", "By"),
    ]
    list_filter = ["form", "currency"]
    search_fields = ["pk", "name", "sha256"]
    search_help_text = "Id, name of the file or its SHA-256"
    ordering = ["-imported_at", "-id"]
    nothing_yet = "No statements yet. “Import a statement” takes a file of the bank."
    actions_list = ["upload"]
    actions_detail = ["download"]

    facts = (
        columns.words("name", "File"),
        columns.state("form", {}, "Format"),
        account,
        columns.money("opening_micros", "currency", "Opening balance"),
        columns.money("closing_micros", "currency", "Closing balance"),
        columns.count("line_count", "Lines"),
        number_new,
        columns.person("imported_by", "By"),
        columns.moment("imported_at", "Imported"),
        columns.copyable("sha256", "SHA-256"),
        columns.copyable("id"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[BankStatement]:
        """Without the files themselves."""
        rows: QuerySet[BankStatement] = super().get_queryset(request)
        return rows.defer("content")

    def sections(self, obj: BankStatement) -> Iterator[Section]:
        """Its lines, and those that were here before."""
        yield lines_of(obj)
        if obj.duplicates:
            yield duplicates_of(obj)
        yield history_of("bank_statement", obj.pk)

    @button("Import a statement", path="import", right="add")
    def upload(self, request: HttpRequest) -> HttpResponse:
        """Take a file: all of it, or nothing."""
        return self.proposal_page(
            request,
            UploadForm,
            title="Import a bank statement",
            intro="The file is kept as it is. If one line of it is wrong, nothing is imported.",
            submit="Import it",
            call=bank_statements.import_file,
            told=words_of,
        )

    @button("Download the file", path="file", right="view")
    def download(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The file, byte by byte as it came."""
        statement: BankStatement = self.find(request, object_id)
        headers = {
            "Content-Disposition": f'attachment; filename="statement-{statement.sha256[:12]}"'
        }
        return HttpResponse(
            bytes(statement.content), content_type="application/octet-stream", headers=headers
        )


def words_of(done: bank_statements.Imported) -> str:
    """What to tell of an import, duplicates by name, with a link to its lines."""
    matched = {receipt.pk for receipt in done.matched}
    still_open = sum(receipt.pk not in matched for receipt in done.receipts)
    parts = [f"New lines: {len(done.receipts):,}, matched: {len(done.matched):,}"]
    if still_open:
        parts[0] += f", to match or explain: {still_open:,}"
    named = [f"{line} (in {receipt.statement.name})" for line, receipt in done.duplicates.items()]
    if named:
        more = f" and {len(named) - 5:,} more" if len(named) > 5 else ""
        parts.append(f"already here: {', '.join(named[:5])}{more}")
    return format_html(
        "{}. See {}.", "; ".join(parts), cells.link(done.statement, done.statement.name)
    )


def lines_of(statement: BankStatement) -> Table:
    """The lines that the file brought."""
    receipts = statement.receipts.select_related("settlement").order_by("line")
    shown = list(receipts[:SHOWN])
    return Table(
        title="Lines",
        headings=[number("Line"), "Booked", number("Amount"), "Reference", "Description", "State"],
        rows=[
            [
                receipt.line,
                receipt.booked_on.isoformat(),
                cells.amount(receipt.amount_micros, receipt.currency),
                cells.link(receipt, receipt.reference),
                receipt.description or cells.EMPTY,
                state(receipt),
            ]
            for receipt in shown
        ],
        empty="The file brought nothing new.",
        note=f"The first {SHOWN} are shown." if len(shown) == SHOWN else "",
    )


def duplicates_of(statement: BankStatement) -> Table:
    """The lines that an earlier file had."""
    shown, note = tables.newest(statement.duplicates, SHOWN)
    found = BankReceipt.objects.in_bulk([row["receipt"] for row in shown])
    earlier = {str(pk): receipt for pk, receipt in found.items()}
    return Table(
        title="Lines that an earlier file had",
        headings=[number("Line"), "The earlier line"],
        rows=[
            [row["line"], cells.link(earlier[row["receipt"]], earlier[row["receipt"]].reference)]
            for row in shown
        ],
        note=note.replace("newest", "first"),
    )
