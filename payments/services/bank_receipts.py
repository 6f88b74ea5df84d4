"""Lines of bank statements: which settlement each belongs to, or what else it is.

A line is matched by itself only when nothing else fits: by the gateway's reference, else by amount
and day. All others wait for a person. Locks: settlements, then lines, each by primary key.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.transaction import atomic

from legato_payments.lib.errors import Conflict, Missing, Refused
from legato_payments.lib.money import Money
from payments import audit
from payments.models import BankReceipt, Settlement

ACTOR = "system:bank-receipts"

MOST_DAYS = timedelta(days=5)
"""Between the day that a gateway promised and the day that the bank booked."""

SHORTEST_REFERENCE = 6
"""Characters; anything shorter stands in many a text by chance."""

Matched = BankReceipt.Matched
Reason = BankReceipt.Reason
Status = Settlement.Status

DECISION = (
    "settlement", "is_return", "matched", "explained_as", "note", "decided_by", "decided_at",
)  # fmt: skip
"""The columns that a decision on a line writes; all others are the bank's."""


class ReceiptUnknown(Missing):
    """No line of a statement has this id."""

    title = "There is no such line of a bank statement."


class SettlementUnknown(Missing):
    """No settlement has this id."""

    title = "There is no such settlement."


class ReceiptDecided(Conflict):
    code = "receipt_decided"
    title = "This line is matched or explained already."


class ReceiptOpen(Conflict):
    code = "receipt_open"
    title = "This line is neither matched nor explained."


class SettlementReceived(Conflict):
    code = "settlement_received"
    title = "Another line of a statement is this settlement already."


class SettlementNotPaid(Conflict):
    code = "settlement_not_paid"
    title = "The gateway does not say that this settlement was paid, or came back."


class ReceiptCurrencyDiffers(Refused):
    code = "receipt_currency_differs"
    title = "The line and the settlement are in different currencies."


class ReceiptAmountDiffers(Refused):
    code = "receipt_amount_differs"
    title = "The line is not what the settlement says."


@dataclass(frozen=True, slots=True)
class Waiting:
    """A settlement whose money some line should show, on its way in or back."""

    settlement: Settlement
    is_return: bool

    @property
    def due_micros(self) -> int:
        """The amount of that line."""
        return _due(self.settlement, is_return=self.is_return)


@atomic
def match_open(*, now: datetime) -> list[BankReceipt]:
    """Match what fits one line and one settlement only; everything else is left for a person.

    Returns:
        The lines that belong to a settlement now.
    """
    waiting = _lock_waiting()
    queue = list(waiting)
    made = []
    for one in queue:
        if (found := _fitting(one, waiting)) is None:
            continue
        receipt, how = found
        receipt.is_return = one.is_return
        made.append(_put(receipt, one.settlement, how=how, actor=ACTOR, note="", now=now))
        waiting.remove(one)
        if one.settlement.status == Status.RETURNED and not one.is_return:
            back = Waiting(one.settlement, is_return=True)
            waiting.append(back)
            queue.append(back)
    return made


@atomic
def match(
    *,
    receipt_id: UUID,
    settlement_id: UUID,
    reason: str,
    actor: str,
    now: datetime,
    allow_difference: bool = False,
) -> BankReceipt:
    """A person says which settlement a line is.

    Args:
        allow_difference: The bank kept a part, for example: the difference is there to see.

    Raises:
        ReceiptUnknown, SettlementUnknown: There is none with this id.
        audit.ReasonMissing: Nobody said why.
        ReceiptDecided: It is matched or explained already.
        SettlementNotPaid: Money of it cannot have moved that way.
        SettlementReceived: Another line is it.
        ReceiptCurrencyDiffers: It is in another currency.
        ReceiptAmountDiffers: The amounts differ, and ``allow_difference`` was not said.
    """
    _need(reason)
    settlement = Settlement.objects.select_for_update(no_key=True).filter(pk=settlement_id).first()
    if settlement is None:
        raise SettlementUnknown
    receipt = _lock(receipt_id)
    if not _is_open(receipt):
        raise ReceiptDecided
    receipt.is_return = _is_return(receipt, settlement)
    _check(receipt, settlement, allow_difference=allow_difference)
    return _put(receipt, settlement, how=Matched.MANUAL, actor=actor, note=reason, now=now)


@atomic
def explain(
    *, receipt_id: UUID, explained_as: str, reason: str, actor: str, now: datetime
) -> BankReceipt:
    """A person says that a line is no settlement, and what it is. No money moves in the books.

    Raises:
        ReceiptUnknown: There is none with this id.
        audit.ReasonMissing: Nobody said why.
        ReceiptDecided: It is matched or explained already.
    """
    _need(reason)
    receipt = _lock(receipt_id)
    if not _is_open(receipt):
        raise ReceiptDecided
    receipt.explained_as = Reason(explained_as)
    return _decide(receipt, "explained", actor=actor, note=reason, now=now)


@atomic
def reopen(*, receipt_id: UUID, reason: str, actor: str, now: datetime) -> BankReceipt:
    """A match or an explanation was wrong: the line waits again.

    Raises:
        ReceiptUnknown: There is none with this id.
        audit.ReasonMissing: Nobody said why.
        ReceiptOpen: Nothing was decided.
    """
    _need(reason)
    receipt = _lock(receipt_id)
    if _is_open(receipt):
        raise ReceiptOpen
    before = _facts(receipt)
    receipt.settlement = None
    receipt.is_return = False
    receipt.matched = receipt.explained_as = receipt.note = receipt.decided_by = ""
    receipt.decided_at = None
    receipt.save(update_fields=DECISION)
    _audit(receipt, "reopened", actor=actor, reason=reason, now=now, before=before)
    return receipt


def difference(receipt: BankReceipt) -> int | None:
    """What a matched line has more than its settlement, in micros."""
    if receipt.settlement is None:
        return None
    return receipt.amount_micros - _due(receipt.settlement, is_return=receipt.is_return)


def _lock_waiting() -> list[Waiting]:
    ids = list(Settlement.objects.with_a_line_to_come().values_list("pk", flat=True))
    chosen = Settlement.objects.filter(pk__in=ids)
    list(chosen.order_by("pk").select_for_update(no_key=True))
    # Asked again under the locks: another run may have matched some of them meanwhile.
    return [
        Waiting(settlement, is_return=settlement.has_arrived)
        for settlement in chosen.with_a_line_to_come().order_by("arrives_on", "pk")
    ]


def _fitting(
    one: Waiting, waiting: Sequence[Waiting]
) -> tuple[BankReceipt, BankReceipt.Matched] | None:
    lines = list(
        BankReceipt.objects.open()
        .filter(currency=one.settlement.currency, amount_micros=one.due_micros)
        .order_by("pk")
        .select_for_update(no_key=True)
    )
    named = [line for line in lines if _names(line, one.settlement)]
    if len(named) == 1 and _is_own_reference(one.settlement):
        return named[0], Matched.REFERENCE
    near = [line for line in lines if _is_near(line, one.settlement)]
    if len(near) != 1:
        return None
    is_only = [other for other in waiting if _could_be(near[0], other)] == [one]
    return (near[0], Matched.AMOUNT) if is_only else None


def _names(receipt: BankReceipt, settlement: Settlement) -> bool:
    reference = settlement.bank_reference.strip().upper()
    if len(reference) < SHORTEST_REFERENCE:
        return False
    words = f"{receipt.reference} {receipt.description}".upper()
    # As a whole: the digits of one reference may stand inside another.
    return bool(re.search(rf"(?<![A-Z0-9]){re.escape(reference)}(?![A-Z0-9])", words))


def _is_own_reference(settlement: Settlement) -> bool:
    # Some gateways give the same words to every transfer: that names none of them.
    same = Settlement.objects.filter(bank_reference__iexact=settlement.bank_reference.strip())
    return not same.exclude(pk=settlement.pk).exists()


def _is_near(receipt: BankReceipt, settlement: Settlement) -> bool:
    return abs(receipt.booked_on - settlement.arrives_on) <= MOST_DAYS


def _could_be(receipt: BankReceipt, one: Waiting) -> bool:
    return (
        one.settlement.currency == receipt.currency
        and one.due_micros == receipt.amount_micros
        and _is_near(receipt, one.settlement)
    )


def _due(settlement: Settlement, *, is_return: bool) -> int:
    return -settlement.amount_micros if is_return else settlement.amount_micros


def _check(receipt: BankReceipt, settlement: Settlement, *, allow_difference: bool) -> None:
    if settlement.status not in (Status.PAID, Status.RETURNED):
        raise SettlementNotPaid
    if receipt.currency != settlement.currency:
        raise ReceiptCurrencyDiffers
    if receipt.is_return and settlement.status != Status.RETURNED:
        raise SettlementNotPaid("The gateway does not say that it came back.")
    if settlement.receipts.filter(is_return=receipt.is_return).exists():
        raise SettlementReceived
    off = receipt.amount_micros - _due(settlement, is_return=receipt.is_return)
    if off and not allow_difference:
        money = Money(off, receipt.currency)
        raise ReceiptAmountDiffers(f"The line is off by {money}.", difference=money.to_json())


def _is_return(receipt: BankReceipt, settlement: Settlement) -> bool:
    return (receipt.amount_micros < 0) != (settlement.amount_micros < 0)


def _lock(receipt_id: UUID) -> BankReceipt:
    receipt = BankReceipt.objects.select_for_update(no_key=True).filter(pk=receipt_id).first()
    if receipt is None:
        raise ReceiptUnknown
    return receipt


def _is_open(receipt: BankReceipt) -> bool:
    return receipt.settlement_id is None and not receipt.explained_as


def _need(reason: str) -> None:
    if not reason.strip():
        raise audit.ReasonMissing


def _put(
    receipt: BankReceipt,
    settlement: Settlement,
    *,
    how: BankReceipt.Matched,
    actor: str,
    note: str,
    now: datetime,
) -> BankReceipt:
    receipt.settlement = settlement
    receipt.matched = how
    return _decide(receipt, "matched", actor=actor, note=note, now=now)


def _decide(
    receipt: BankReceipt, event: str, *, actor: str, note: str, now: datetime
) -> BankReceipt:
    receipt.note = note[:300]
    receipt.decided_by = actor
    receipt.decided_at = now
    receipt.save(update_fields=DECISION)
    _audit(receipt, event, actor=actor, reason=note, now=now)
    return receipt


def _facts(receipt: BankReceipt) -> dict[str, str]:
    money = Money(receipt.amount_micros, receipt.currency)
    return {
        "money": str(money),
        "settlement": receipt.settlement.gateway_id if receipt.settlement else "",
        "matched": receipt.matched,
        "explained_as": receipt.explained_as,
    }


def _audit(
    receipt: BankReceipt,
    event: str,
    *,
    actor: str,
    reason: str,
    now: datetime,
    before: dict[str, str] | None = None,
) -> None:
    audit.record(
        actor=actor,
        action=f"payments.bank_receipt.{event}",
        object_type="bank_receipt",
        object_id=receipt.pk,
        now=now,
        before=before,
        after=_facts(receipt),
        reason=reason,
    )
