"""Money refunds in the model: unused coins become money on its way back (docs/gateways.md)."""

from collections.abc import Sequence
from datetime import datetime

from tests.property.model import Model
from tests.property.model_rows import WAITING, Given, Lot, No, Purchase, Refund


class RefundModel(Model):
    """The model, with the gateway's book of refunds and ours."""

    def __init__(self, *readers: str) -> None:
        super().__init__(*readers)
        self.paid_back: list[tuple[str, int, int]] = []
        """What others were told: purchase, coins and micros of every refund that went through."""

    def ask(
        self,
        purchase: Purchase,
        amount: int | None,
        *,
        goodwill: bool = False,
        currency: str = "",
    ) -> Refund:
        """Unused coins of a purchase are to go back, or a part of them worth ``amount``."""
        return self._ask(purchase, amount, goodwill, currency or purchase.currency, given=None)

    def send(self, refund: Refund, now: datetime) -> None:
        """The gateway is asked for what it was not asked for yet; it may refuse."""
        if refund.status != "REQUESTED":
            return
        if refund.given is None:
            try:
                refund.given = self.pay_back(refund.purchase, refund.amount)
            except No:
                self._fail(refund, now)
                return
        self._follow(refund, now)

    def poll(self, refund: Refund, now: datetime) -> None:
        """We look how an open refund stands, and ask for one that is not there."""
        if refund.status in WAITING and refund.given:
            self._follow(refund, now)
        else:
            self.send(refund, now)

    def pay_back(self, purchase: Purchase, amount: int) -> Given:
        """At the gateway: give a part of a payment back, whoever wants it."""
        if amount > purchase.left_at_gateway:
            raise No("Declined")
        given = Given("", amount, purchase.first)
        purchase.given.append(given)
        return given

    def hear_of_refund(self, purchase: Purchase, given: Given, now: datetime) -> None:
        """A webhook: what is at the gateway, and whatever else of it we have no name for yet."""
        for refund in purchase.refunds:
            if refund.given and (refund.given is given or not refund.is_told):
                self._follow(refund, now)
        self.read_refund(purchase, given, now)

    def read_refund(self, purchase: Purchase, given: Given, now: datetime) -> None:
        """We look at a refund that is at the gateway; one that we did not ask for is written down.

        One that failed before we knew of it moved nothing.
        """
        known = [refund for refund in purchase.refunds if refund.given is given]
        if not known and given.status == "FAILED":
            return
        if not known:
            known = [self._ask(purchase, given.amount, True, purchase.currency, given)]
        self._follow(known[0], now)

    def _ask(
        self,
        purchase: Purchase,
        amount: int | None,
        goodwill: bool,
        currency: str,
        given: Given | None,
    ) -> Refund:
        if not purchase.left:
            raise No("AlreadyReversed")
        if not given and any(dispute.is_in_the_way for dispute in purchase.disputes):
            raise No("PurchaseDisputed")
        if amount is not None and currency != purchase.currency:
            raise No("CurrencyMismatch")
        if amount is not None and amount > purchase.left:
            raise No("AmountTooLarge")
        lots = [
            lot
            for lot in self.wallets[purchase.reader]
            if lot.purchase is purchase and lot.left and not lot.is_frozen
        ]
        wanted = _wanted(purchase, lots, amount, goodwill=goodwill)
        parts = [lot.take(coins) for lot, coins in wanted]
        money = _money(purchase, sum(part.worth for part in parts))
        due = money if amount is None or not goodwill else amount
        refund = Refund("", purchase, due, due - money, parts, given=given)
        purchase.refunds.append(refund)
        self._count(refund, 1)
        return refund

    def _follow(self, refund: Refund, now: datetime) -> None:
        """Our refund becomes what the gateway's is; what has failed stays so."""
        assert refund.given
        refund.is_told = True
        before, after = refund.status, refund.given.status
        if after == "FAILED" and before != "FAILED":
            self._fail(refund, now)
        elif after == "SUCCEEDED" and before in WAITING:
            self._pay(refund, 1)
            purchase = refund.purchase
            self.paid_back.append((purchase.name, refund.coins, refund.amount))
        if before in WAITING:
            refund.status = after

    def _fail(self, refund: Refund, now: datetime) -> None:
        if refund.status == "SUCCEEDED":
            self._pay(refund, -1)
        self._count(refund, -1)
        self._restore(refund.purchase.reader, refund.parts, now)
        refund.status = "FAILED"

    def _pay(self, refund: Refund, sign: int) -> None:
        currency = refund.purchase.currency
        self.moved["refund_in_flight", "", currency] += sign * refund.amount
        self.moved["gateway:sandbox", "", currency] -= sign * refund.amount

    def _count(self, refund: Refund, sign: int) -> None:
        purchase = refund.purchase
        goodwill = purchase.dollars(refund.goodwill)
        released = refund.value + goodwill
        self.moved["goodwill", "", "USD"] += sign * goodwill
        self.moved["refund_in_flight", "", purchase.currency] -= sign * refund.amount
        if purchase.currency == "USD":
            self.moved["rounding", "", "USD"] -= sign * (released - refund.amount)
        else:
            self.moved["fx", "", purchase.currency] += sign * refund.amount
            self.moved["fx", "", "USD"] -= sign * released
        purchase.refunded += sign * refund.amount
        purchase.refunded_value += sign * refund.value


def _wanted(
    purchase: Purchase, lots: Sequence[Lot], amount: int | None, *, goodwill: bool
) -> list[tuple[Lot, int]]:
    everything = [(lot, lot.left) for lot in lots]
    most = _money(purchase, sum(lot.worth for lot in lots))
    if amount is None:
        if not most:
            raise No("NothingToRefund")
        return everything
    if amount > most:
        if not goodwill:
            raise No("AmountTooLarge")
        return everything
    wanted = _fitting(purchase, lots, amount)
    if not goodwill and not _money(purchase, sum(lot.worth_of(n) for lot, n in wanted)):
        raise No("AmountTooSmall")
    return wanted


def _fitting(purchase: Purchase, lots: Sequence[Lot], amount: int) -> list[tuple[Lot, int]]:
    # As many whole coins as come to no more than the amount, the oldest first.
    fitting, value = [], 0
    for lot in lots:
        fewest, most = 0, lot.left
        while fewest < most:
            middle = (fewest + most + 1) // 2
            fits = purchase.money_for(value + lot.worth_of(middle)) <= amount
            fewest, most = (middle, most) if fits else (fewest, middle - 1)
        if fewest:
            fitting.append((lot, fewest))
        if fewest < lot.left:
            break
        value += lot.worth
    return fitting


def _money(purchase: Purchase, value: int) -> int:
    # Goodwill that went before counts: never more than was paid.
    return min(purchase.money_for(value), purchase.left)
