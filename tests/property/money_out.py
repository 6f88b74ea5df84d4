"""Steps that use coins, pass them on, and bring them back."""

from functools import partial
from uuid import UUID

from django.db.transaction import atomic
from hypothesis import strategies as st
from hypothesis.stateful import precondition

from access.services import content, gifts, refunds, reversals, tips
from tests.property.machine import AUTHORS, PRICES, WRITERS, Frame, readers, step
from tests.property.model_rows import Chapter, Sale

contents = st.integers(0, len(PRICES) - 1).map("chapter-{}".format)

type Sold = list[tuple[UUID, Sale]]
"""Sales with the transactions that recorded them."""


class MoneyOut(Frame):
    """Chapters, tips, gifts; refunds and reversals."""

    def __init__(self) -> None:
        super().__init__()
        self.sales: Sold = []
        self.tips: Sold = []

    def buy(self, reader: str, content_id: str, shown: int | None) -> content.Bought:
        """A purchase in a transaction of its own, as it is outside of this test's."""
        with atomic():
            return content.buy(
                user_id=reader,
                content_id=content_id,
                expected_price=shown,
                now=self.now,
                actor=f"user:{reader}",
            )

    @step(content_id=contents, price=st.integers(1, 60), shares=st.sampled_from(AUTHORS))
    def rewrite(self, content_id: str, price: int, shares: dict[str, int]) -> None:
        self.state.describe(content_id, Chapter(price, shares), now=self.now)
        self.tally["rewritten"] += 1

    @step(reader=readers, content_id=contents,
          shown=st.sampled_from([None, None, None, None, 5]),
          is_again=st.sampled_from([False, False, False, True]))  # fmt: skip
    def spend(self, reader: str, content_id: str, shown: int | None, is_again: bool) -> None:
        given_back = [sale for _, sale in self.sales if sale.is_undone]
        if is_again and self.sales:
            newest = (given_back or [sale for _, sale in self.sales])[-1]
            reader, content_id = newest.reader, newest.content
        sold: list[Sale | None] = []
        bought = self.attempt(
            "spend",
            lambda: sold.append(self.model.buy(reader, content_id, shown, self.now)),
            lambda: self.buy(reader, content_id, shown),
        )
        if not bought:
            return
        assert bought.charged == (sold[0] is not None)
        if sold[0]:
            assert bought.entitlement.transaction_id is not None
            self.sales.append((bought.entitlement.transaction_id, sold[0]))
            before = [(sale.reader, sale.content) for sale in given_back]
            self.tally["spend: once more"] += (reader, content_id) in before
        else:
            self.tally["spend: owned already"] += 1

    @step(reader=readers, writer=st.sampled_from(WRITERS), coins=st.integers(7, 700))
    def tip(self, reader: str, writer: str, coins: int) -> None:
        self.send_tip(reader, writer, coins)

    @step(reader=readers, to=readers, coins=st.integers(1, 500))
    def give_coins(self, reader: str, to: str, coins: int) -> None:
        self.attempt(
            "gift",
            lambda: self.model.give(reader, to, coins, self.now),
            lambda: gifts.send_coins(
                sender_id=reader,
                recipient_id=to,
                coins=coins,
                now=self.now,
                actor=f"user:{reader}",
            ),
        )

    @precondition(lambda self: self.sales)
    @step(at=st.integers(0, 5), read=st.sampled_from([None, None, None, 0, 24, 25]),
          is_again=st.sampled_from([False, False, True]))  # fmt: skip
    def refund(self, at: int, read: int | None, is_again: bool) -> None:
        transaction_id, sale = one_of(self.sales, at, is_again)
        self.attempt(
            "refund",
            lambda: self.model.refund(sale, read, self.now),
            lambda: refunds.refund(
                transaction_id=transaction_id,
                read_percent=read,
                reason="the wrong one",
                actor=f"user:{sale.reader}",
                now=self.now,
            ),
        )

    @precondition(lambda self: self.sales or self.tips)
    @step(at=st.integers(0, 20), is_again=st.sampled_from([False, False, False, True]))
    def take_back(self, at: int, is_again: bool) -> None:
        transaction_id, sale = one_of([*self.sales, *self.tips], at, is_again)
        self.attempt(
            f"take back: {sale.stream}",
            lambda: self.model.undo(sale, self.now),
            partial(
                reversals.reverse,
                transaction_id=transaction_id,
                actor="staff:7",
                reason="mistake",
                now=self.now,
            ),
        )

    def send_tip(self, reader: str, writer: str, coins: int) -> None:
        """Coins that were paid for, to a writer."""
        given: list[Sale] = []
        sent = self.attempt(
            "tip",
            lambda: given.append(self.model.tip(reader, writer, coins, self.now)),
            lambda: tips.send(
                sender_id=reader,
                recipient_id=writer,
                coins=coins,
                now=self.now,
                actor=f"user:{reader}",
            ),
        )
        if sent:
            self.tips.append((sent.tip.transaction_id, given[0]))


def one_of(sales: Sold, at: int, is_undone: bool) -> tuple[UUID, Sale]:
    """One that was taken back before or one that was not, counted from the newest; else any."""
    wanted = [sold for sold in sales if sold[1].is_undone == is_undone] or sales
    return wanted[-1 - at % len(wanted)]
