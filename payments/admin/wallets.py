"""Coin accounts of readers: wallets, their lots, and what moved them."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from legato_payments.lib.admin import RecordAdmin, button
from legato_payments.lib.pages import cells, columns, tables
from legato_payments.lib.pages.cells import Tone
from legato_payments.lib.pages.proposals import ProposalForm, ReasonField
from legato_payments.lib.pages.tables import Section, Table, number
from payments import audit
from payments.admin import debts
from payments.admin.accounts import last_entries
from payments.admin.audit import history_of
from payments.enums import Unit
from payments.ledger import released_value
from payments.models import CoinBalance, CoinLot, Dispute, RefundClosing
from payments.services import wallets

LOTS = 100


def value_left(lot: CoinLot) -> int:
    """USD micros of the coins that are not used yet."""
    return released_value(
        value_micros=lot.value_micros, coins=lot.coins, from_coin=lot.next_coin, to_coin=lot.coins
    )


@admin.display(description="State")
def lot_state(lot: CoinLot) -> str:
    """Whether its coins can be spent."""
    if lot.frozen_by:
        return cells.mark("Frozen", Tone.BAD)
    if lot.next_coin >= lot.coins:
        return cells.mark("Used up")
    return cells.mark("Open", Tone.GOOD)


@admin.display(description="Coins left")
def number_left(lot: CoinLot) -> str:
    """Coins that are not used yet."""
    return f"{lot.coins - lot.next_coin:,}"


@admin.display(description="Value left")
def number_value_left(lot: CoinLot) -> str:
    """What the unused coins are worth."""
    return cells.amount(value_left(lot), Unit.USD)


@admin.display(description="Paid")
def paid(lot: CoinLot) -> str:
    """What the payer gave, tax included."""
    return cells.amount(lot.paid_micros, lot.paid_unit) if lot.paid_unit else cells.EMPTY


@admin.display(description="Gateway fee")
def fee(lot: CoinLot) -> str:
    """What the gateway kept of it."""
    if lot.fee_micros is None or not lot.paid_unit:
        return cells.EMPTY
    return cells.amount(lot.fee_micros, lot.paid_unit)


@admin.display(description="Spent in order of")
def burn_order(lot: CoinLot) -> str:
    """Promotional coins go before paid ones."""
    return f"{lot.priority} (lower first, then the soonest to expire, then the oldest)"


@admin.display(description="Block")
def block(wallet: CoinBalance) -> str:
    """Why nothing can be spent."""
    if not wallet.blocked_by:
        return "No: coins can be spent"
    lost = Dispute.objects.filter(
        purchase__user_id=wallet.user_id, booked=Dispute.Booked.LOST
    ).order_by("id")
    found = next((one for one in lost if one.freezer == wallet.blocked_by), None)
    words = cells.mark("Blocked", Tone.BAD)
    if found is not None:
        return format_html("{} by the lost {}", words, cells.link(found))
    closings = RefundClosing.objects.filter(debt__wallet=wallet).select_related("refund")
    closing = next((one for one in closings if one.blocker == wallet.blocked_by), None)
    if closing is not None:
        return format_html("{} by a {}, paid after it failed", words, cells.link(closing.refund))
    return format_html("{} by {}", words, wallet.blocked_by)


class LiftBlockForm(ProposalForm):
    """Why a reader may spend again."""

    told_at = {audit.ReasonMissing: "reason"}

    reason = ReasonField()


@admin.register(CoinBalance)
class WalletAdmin(RecordAdmin):
    """One reader's coins: the balance the spend locks, and the lots behind it."""

    list_display = [
        "user_id",
        columns.count("coins"),
        columns.count("purchased"),
        columns.count("promo", "Promotional"),
        columns.count("held", "Frozen"),
        columns.money("debt_micros", Unit.USD, "Owes"),
        columns.count("lifetime_purchased", "Bought ever"),
        columns.count("lifetime_spent", "Spent ever"),
        columns.count("lifetime_tipped", "Tipped ever"),
    ]
    search_fields = ["user_id__startswith"]
    search_help_text = "Reader id, or its beginning"
    ordering = ["user_id"]
    nothing_yet = "No reader has coins yet. A wallet opens with the first purchase."

    facts = (
        "user_id",
        columns.count("coins", "Coins to spend"),
        columns.count("purchased", "of these bought"),
        columns.count("promo", "of these promotional"),
        columns.count("held", "Frozen besides"),
        block,
        columns.money("debt_micros", Unit.USD, "Owed, all debts together"),
        columns.count("lifetime_purchased", "Bought ever, without bonus"),
        columns.count("lifetime_bonus", "Bonus ever"),
        columns.count("lifetime_spent", "Spent ever"),
        columns.count("lifetime_tipped", "Tipped ever"),
        columns.count("lifetime_received", "Given by readers ever"),
        columns.count("lifetime_refunded", "Taken back ever"),
        columns.count("lifetime_expired", "Expired ever"),
        columns.related("account", "Ledger account"),
    )
    actions_detail = ["lift_block", "write_off"]

    def usable(self, request: HttpRequest, row: CoinBalance) -> set[str]:
        """Only where there is a block to lift, or a debt to write off."""
        found = {"lift-block"} if row.blocked_by else set()
        return found | {"write-off"} if row.debt_micros else found

    def sections(self, obj: CoinBalance) -> Iterator[Section]:
        """Lots, then movements."""
        yield lots_of(obj)
        yield last_entries(obj.account)
        yield history_of("user", obj.user_id)

    @button("Lift the block…", path="lift-block", right="change")
    def lift_block(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let the reader spend again although a lost dispute is not settled."""
        wallet: CoinBalance = self.find(request, object_id)
        owed = cells.amount(wallet.debt_micros, Unit.USD)
        return self.proposal_page(
            request,
            LiftBlockForm,
            title=f"Lift the block of {wallet.user_id}",
            intro=f"{cells.coins(wallet.coins)} can be spent then. The reader still owes {owed},"
            " which the next purchase settles first.",
            submit="Lift the block",
            call=partial(wallets.unblock, user_id=wallet.user_id),
            told=lambda unblocked: f"{unblocked.user_id} can spend again.",
            row=wallet,
        )

    @button("Write off a debt…", path="write-off", right="reduction")
    def write_off(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask another person to give up what the reader owes, or a part of it."""
        wallet: CoinBalance = self.find(request, object_id)
        return debts.write_off_page(self, request, wallet, row=wallet)

    def has_propose_reduction_permission(self, request: HttpRequest, *_: Any) -> bool:
        """Whoever may ask for a write-off."""
        return request.user.has_perm(debts.RIGHT)


def lots_of(wallet: CoinBalance) -> Table:
    """The newest lots; the totals are of the lots shown."""
    lots = wallet.lots.select_related("transaction").order_by("-id")
    shown, note = tables.newest(lots[: LOTS + 1], LOTS)
    left = sum(lot.coins - lot.next_coin for lot in shown)
    value = sum(value_left(lot) for lot in shown)
    return Table(
        title="Lots",
        headings=[
            "Lot",
            "Origin",
            "State",
            "Issued by",
            "Expires",
            number("Coins"),
            number("Left"),
            number("Value left"),
        ],
        rows=[
            [
                cells.link(lot, f"Lot {lot.pk}"),
                lot.get_origin_display(),
                lot_state(lot),
                cells.link(lot.transaction, lot.transaction.get_kind_display()),
                cells.moment(lot.expires_at),
                f"{lot.coins:,}",
                number_left(lot),
                number_value_left(lot),
            ]
            for lot in shown
        ],
        totals=["", "Total", "", "", "", "", f"{left:,}", cells.amount(value, Unit.USD)],
        empty="This wallet never held coins.",
        note=note,
    )


@admin.register(CoinLot)
class LotAdmin(RecordAdmin):
    """Coins that arrived together, and which of them were used for what."""

    list_display = [
        "id",
        columns.related("wallet", "Reader", by="user_id"),
        "origin",
        lot_state,
        columns.count("coins"),
        number_left,
        number_value_left,
        columns.moment("created_at"),
    ]
    list_filter = ["origin"]
    list_select_related = ["wallet"]
    search_fields = ["pk", "wallet__user_id__exact"]
    search_help_text = "Lot number or reader id"
    ordering = ["-id"]
    nothing_yet = "No lots yet. Every settled purchase makes one."

    facts = (
        columns.related("wallet", "Reader", by="user_id"),
        "origin",
        lot_state,
        columns.count("coins"),
        number_left,
        columns.money("value_micros", Unit.USD, "Value of all coins"),
        number_value_left,
        paid,
        fee,
        columns.related("purchase"),
        columns.related("transaction", "Issued by", by="get_kind_display"),
        columns.related("parent", "Descends from"),
        burn_order,
        columns.moment("expires_at"),
        columns.text("frozen_by"),
        columns.moment("created_at"),
    )

    def sections(self, obj: CoinLot) -> Iterator[Section]:
        """What its coins were used for."""
        uses = obj.uses.select_related("transaction").order_by("-from_coin")
        shown, note = tables.newest(uses[: LOTS + 1], LOTS)
        yield Table(
            title="Uses",
            headings=["Transaction", "Kind", "Coins of the lot", number("Coins"), number("Value")],
            rows=[
                [
                    cells.link(use.transaction, use.transaction.get_kind_display()),
                    use.get_kind_display(),
                    f"{use.from_coin + 1:,} to {use.to_coin:,}",
                    f"{use.to_coin - use.from_coin:,}",
                    cells.amount(use.value_micros, Unit.USD),
                ]
                for use in shown
            ],
            empty="Not one of these coins is used yet.",
            note=note,
        )
