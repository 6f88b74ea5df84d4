"""Disputes in the model: what a bank takes, and who bears it (docs/gateways.md, ledger.md)."""

from datetime import datetime

from tests.property.model_refunds import RefundModel
from tests.property.model_rows import (
    MINOR,
    UNDECIDED,
    Dispute,
    Loss,
    Lot,
    No,
    Part,
    Purchase,
    Sale,
)

FEES = {"USD": 1_500 * MINOR, "CAD": 1_500 * MINOR, "NGN": 0}
"""What the sandbox takes for a dispute."""


class WholeModel(RefundModel):
    """The model, with the gateway's book of disputes and ours."""

    # What happens at the gateway, which moves nothing here.

    def dispute(self, purchase: Purchase, amount: int, *, is_inquiry: bool) -> Dispute:
        """The payer's bank wants a payment back, or asks about it."""
        fee = 0 if is_inquiry else FEES[purchase.currency]
        dispute = Dispute("", purchase, amount, not is_inquiry, fee)
        purchase.disputes.append(dispute)
        return dispute

    def decide(self, dispute: Dispute, decision: str) -> None:
        """The bank decides; one that was lost can still be won."""
        if dispute.theirs in ("WON", "WITHDRAWN") or (
            decision == "LOST" and dispute.theirs not in UNDECIDED
        ):
            return
        if decision == "LOST" and not dispute.takes:
            dispute.takes, dispute.fee = True, FEES[dispute.purchase.currency]
        elif decision != "LOST" and dispute.takes:
            dispute.takes, dispute.fee_returned = False, dispute.fee
        dispute.theirs = decision

    # What we do about it.

    def answer(self, dispute: Dispute, *, with_evidence: bool) -> None:
        """We send evidence, or give it up."""
        if dispute.status != "NEEDS_RESPONSE":
            raise No("DisputeClosed")
        if not with_evidence:
            self.decide(dispute, "LOST")
        elif dispute.theirs == "NEEDS_RESPONSE":
            dispute.theirs = "UNDER_REVIEW"
        self.hear_of_dispute(dispute)

    def choose(self, dispute: Dispute, policy: str) -> None:
        """Who bears what unused coins do not cover."""
        if dispute.status == "LOST" or dispute.booked == "LOST":
            raise No("LossIsBooked")
        dispute.policy = policy

    def hear_of_dispute(self, dispute: Dispute) -> None:
        """Our books come to what the gateway says, but for what a loss takes from people."""
        if not dispute.status:
            dispute.told.append("opened")
        if dispute.theirs not in (*UNDECIDED, dispute.status):
            dispute.told.append(dispute.theirs.lower())
        dispute.status = dispute.theirs
        dispute.is_inquiry = not dispute.takes and dispute.status in UNDECIDED
        self._move_fee(dispute)
        if dispute.booked == "NONE" and dispute.takes:
            self._move_money(dispute, 1)
            dispute.booked = "HELD"
        if dispute.booked == "HELD" and dispute.status in ("WON", "WITHDRAWN"):
            self._move_money(dispute, -1)
            dispute.booked = "NONE"

    def poll_dispute(self, dispute: Dispute) -> None:
        """We look how an undecided dispute stands."""
        if dispute.status in UNDECIDED:
            self.hear_of_dispute(dispute)

    def settle(self, dispute: Dispute, now: datetime) -> None:
        """What a loss takes from people, or what they get back of it."""
        if dispute.status == "LOST" and dispute.booked == "HELD":
            dispute.losses.append(self._lose(dispute, now))
            dispute.booked = "LOST"
        elif dispute.status in ("WON", "WITHDRAWN") and dispute.booked == "LOST":
            self._undo_loss(dispute, dispute.losses[-1], now)
            self._move_money(dispute, -1)
            dispute.booked = "NONE"

    def unused(self, purchase: Purchase) -> list[tuple[Lot, str]]:
        """Lots that still hold coins of a purchase, the oldest first, and who holds them."""
        lots = [
            (lot, reader)
            for reader, held in self.wallets.items()
            for lot in held
            if lot.purchase is purchase and lot.left
        ]
        return sorted(lots, key=lambda pair: pair[0].number)

    def _lose(self, dispute: Dispute, now: datetime) -> Loss:
        purchase = dispute.purchase
        value = _value(dispute)
        unused, is_covered = self._take_unused(purchase, value)
        rest = value - sum(part.worth for _, part in unused)
        spent = 0 if is_covered else rest
        borne = _borne_before(purchase)
        shares, kept = self._shares_of(purchase, borne, borne + spent, now)
        if dispute.policy != "WRITERS":
            shares, kept = [], 0
        # What is less than one of the coins that are left is nobody's but ours.
        owed = rest if dispute.policy == "READER" and not is_covered else 0
        platform = rest - owed - sum(share for _, _, share in shares)
        loss = Loss(unused, shares, kept, platform, owed, spent)
        self._count_loss(dispute, loss, 1)
        self.debts[purchase.reader] += owed
        if spent:
            self.blocks[purchase.reader].append(dispute)
        return loss

    def _undo_loss(self, dispute: Dispute, loss: Loss, now: datetime) -> None:
        loss.is_undone = True
        self._count_loss(dispute, loss, -1)
        taken: dict[str, list[Part]] = {}
        for reader, part in loss.unused:
            taken.setdefault(reader, []).append(part)
        for reader, parts in taken.items():
            self._restore(reader, parts, now)
        self._return_debt(dispute.purchase, loss.owed)
        blocks = self.blocks[dispute.purchase.reader]
        if dispute in blocks:
            blocks.remove(dispute)

    def _return_debt(self, purchase: Purchase, owed: int) -> None:
        reader = purchase.reader
        still_owed = min(self.debts[reader], owed)
        self.debts[reader] -= still_owed
        rest = owed - still_owed
        for payer in reversed(self.purchases):
            if payer.reader != reader:
                continue
            # It was paid with coins that this purchase did not bring: they come now.
            back = min(rest, payer.debt - payer.debt_back)
            if back:
                rest -= back
                self._bring_back(payer, back)

    def _bring_back(self, payer: Purchase, back: int) -> None:
        before, after = payer.debt_back, payer.debt_back + back
        coins = payer.debt_coins * after // payer.debt - payer.debt_coins * before // payer.debt
        payer.debt_back = after
        self.moved["receivable:user", payer.reader, "USD"] += back
        self._issue(payer.reader, coins or 1, back, is_paid=True, purchase=payer)

    def _take_unused(self, purchase: Purchase, value: int) -> tuple[list[tuple[str, Part]], bool]:
        """Whole coins worth no more than a value, the oldest first, whoever holds them.

        And whether more of them are left than the value asks for.
        """
        taken = []
        for lot, reader in self.unused(purchase):
            fewest, most = 0, lot.left
            while fewest < most:
                middle = (fewest + most + 1) // 2
                fits = lot.worth_of(middle) <= value
                fewest, most = (middle, most) if fits else (fewest, middle - 1)
            is_whole = fewest == lot.left
            if fewest:
                taken.append((reader, lot.take(fewest)))
                value -= taken[-1][1].worth
            if not is_whole:
                return taken, True
        return taken, False

    def _shares_of(
        self, purchase: Purchase, start: int, end: int, now: datetime
    ) -> tuple[list[tuple[Sale, str, int]], int]:
        """What writers earned with coins of a purchase and cannot be paid yet, newest first.

        And what they earned, too, but may have been paid: that is theirs. Of what the coins were
        worth, from ``start`` to ``end``: another loss looked at what is before.
        """
        shares, kept = [], 0
        for sale in reversed(self.sales):
            worth = sum(part.worth for part in sale.parts if part.purchase is purchase)
            if sale.is_undone or not worth:
                continue
            low, high = min(worth, start), min(worth, end)
            start, end = start - low, end - high
            for writer, earned in sale.shares.items():
                paid = sale.paid_by(purchase, writer)
                part = paid * high // worth - paid * low // worth
                part = min(part, earned - sale.taken[writer])
                if sale.matures[writer] <= now:
                    kept += part
                elif part:
                    shares.append((sale, writer, part))
        return shares, kept

    def _count_loss(self, dispute: Dispute, loss: Loss, sign: int) -> None:
        purchase = dispute.purchase
        self.moved["dispute_hold", "", purchase.currency] -= sign * dispute.amount
        if purchase.currency != "USD":
            self.moved["fx", "", purchase.currency] += sign * dispute.amount
            self.moved["fx", "", "USD"] -= sign * _value(dispute)
        self.moved["dispute_loss", "", "USD"] += sign * loss.platform
        self.moved["receivable:user", purchase.reader, "USD"] += sign * loss.owed
        for sale, writer, share in loss.shares:
            sale.taken[writer] += sign * share
            self.moved["writer", writer, "USD"] += sign * share
            self.earned[writer, sale.stream] -= sign * share

    def _move_money(self, dispute: Dispute, sign: int) -> None:
        currency = dispute.purchase.currency
        self.moved["dispute_hold", "", currency] += sign * dispute.amount
        self.moved["gateway:sandbox", "", currency] -= sign * dispute.amount

    def _move_fee(self, dispute: Dispute) -> None:
        currency = dispute.purchase.currency
        change = dispute.fee - dispute.fee_returned - dispute.booked_fee
        self.moved["fees:dispute", "", currency] += change
        self.moved["gateway:sandbox", "", currency] -= change
        dispute.booked_fee += change


def _value(dispute: Dispute) -> int:
    purchase = dispute.purchase
    if dispute.amount == purchase.paid:
        return purchase.value
    return purchase.dollars(dispute.amount)


def _borne_before(purchase: Purchase) -> int:
    """What losses in force looked for in the spends of a purchase."""
    losses = [loss for dispute in purchase.disputes for loss in dispute.losses]
    return sum(loss.spent for loss in losses if not loss.is_undone)
