"""Steps that bring money back to payers: refunds that we or the gateway make, and their news."""

from datetime import datetime
from uuid import UUID

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition

from legato_payments.lib.ids import uuid7
from legato_payments.lib.money import Money
from payments.enums import Currency
from payments.gateways import base
from payments.gateways.registry import charge_gateway
from payments.gateways.sandbox import refunds as sandbox
from payments.gateways.sandbox.gateway import CODE
from payments.models import Purchase, Refund, SandboxRefund, WebhookEvent
from payments.services import refunds, refunds_adopted
from tests import factories
from tests.property import model_rows
from tests.property.machine import Frame, step
from tests.property.model_rows import MINOR, WAITING, Given, No

NEWS = ("told", "polled", "applied")
"""The ways to learn how a refund or a dispute stands: a webhook, the sweep, somebody who looks."""

PARTS = (0, 0, 0, 40, 250, 600, 999, 999)
"""Thousandths of what was paid; none is a cent or a kobo."""

newest_first = st.integers(0, 12)


class MoneyBack(Frame):
    """Refunds: asked for, made by hand at the gateway, answered by the bank, heard of."""

    @step(at=newest_first, part=st.sampled_from([None] * 4 + [*PARTS]), goodwill=st.booleans(),
          way=st.sampled_from(["at once", "at once", "later", "answer lost"]),
          is_foreign=st.sampled_from([False] * 11 + [True]))  # fmt: skip
    def ask_for_money(
        self, at: int, part: int | None, goodwill: bool, way: str, is_foreign: bool
    ) -> None:
        # A coin paid for in naira is worth more than a kobo.
        open_ones = [each for each in self.model.purchases if each.left and not each.disputes]
        naira = [each for each in open_ones if each.currency == "NGN" and self.model.unused(each)]
        purchase = pick(naira, at) if part == 0 and naira else self.purchase(at)
        goodwill = goodwill and part != 0
        currency = next(each for each in Currency if (each == purchase.currency) != is_foreign)
        amount = None if part is None else part_of(purchase, part)
        request = refunds.Request(
            purchase_id=UUID(purchase.name),
            reason=f"step {self.steps}",
            actor=f"user:{purchase.reader}",
            amount=None if amount is None else Money(amount, currency),
            goodwill=goodwill,
        )
        do = refunds.start if way == "at once" else refunds.create
        asked: list[model_rows.Refund] = []
        row = self.attempt(
            "money refund",
            lambda: asked.append(
                self.model.ask(purchase, amount, goodwill=goodwill, currency=currency)
            ),
            lambda: do(refund_id=uuid7(), request=request, now=self.now),
        )
        if row is None:
            return
        refund = asked[0]
        refund.name = str(row.pk)
        self.tally["money refund: goodwill"] += refund.goodwill > 0
        self.tally["money refund: part"] += amount is not None and refund.coins > 0
        self.tally[f"money refund: {purchase.currency}"] += 1
        if way == "at once":
            self.model.send(refund, self.now)
            self.sent(refund)
        elif way == "answer lost":
            self.lose_answer(refund)

    @precondition(lambda self: self.asked())
    @step(at=newest_first, job=st.sampled_from(["send", "poll"]))
    def drive_a_refund(self, at: int, job: str) -> None:
        self.drive(pick(self.asked(), at), job)

    @step(at=newest_first, part=st.sampled_from([0, 3, 40, 120, 250]))
    def give_back_by_hand(self, at: int, part: int) -> None:
        purchase = self.purchase(at)
        minor = part_of(purchase, part) // MINOR
        charge_id = Purchase.objects.get(pk=purchase.name).payment_id
        try:
            given = self.model.pay_back(purchase, minor * MINOR)
        except No:
            with pytest.raises(base.Declined):
                sandbox.make(charge_id=charge_id, amount_minor=minor, now=self.now)
            return
        made = sandbox.make(charge_id=charge_id, amount_minor=minor, now=self.now)
        assert made.status == given.status
        given.name = made.pk
        self.tally["money refund: by hand"] += 1

    @precondition(lambda self: self.given())
    @step(at=newest_first, is_paid=st.booleans(), news=st.sampled_from(["", *NEWS, *NEWS]))
    def bank_answers(self, at: int, is_paid: bool, news: str) -> None:
        waiting = [pair for pair in self.given() if pair[1].status in WAITING]
        purchase, given = pick(waiting or self.given(), at)
        if is_paid:
            made = sandbox.settle(refund_id=given.name, now=self.now)
            given.status = "SUCCEEDED" if given.status in WAITING else given.status
        else:
            made = sandbox.fail(refund_id=given.name, now=self.now)
            given.status = "FAILED"
        assert made.status == given.status
        if news:
            self.hear_of_refund(purchase, given, news)

    @precondition(lambda self: self.given())
    @step(at=newest_first, news=st.sampled_from(NEWS))
    def refund_is_heard_of(self, at: int, news: str) -> None:
        self.hear_of_refund(*pick(self.given(), at), news)

    def come_to_the_end(self) -> None:
        """Whatever is on its way arrives first."""
        for purchase in self.model.purchases:
            for refund in purchase.refunds:
                self.drive(refund, "send")
            for given in purchase.given:
                if given.status in WAITING:
                    sandbox.settle(refund_id=given.name, now=self.now)
                    given.status = "SUCCEEDED"
            ours = [refund.given for refund in purchase.refunds if refund.given]
            for given in [*ours, *purchase.given]:
                self.hear_of_refund(purchase, given, "applied")
            assert all(refund.status not in WAITING for refund in purchase.refunds)
        super().come_to_the_end()

    def purchase(self, at: int) -> model_rows.Purchase:
        """One that was paid, counted from the newest; mostly one that can still go back."""
        every = self.model.purchases
        match at % 4:
            case 0:
                wanted = every
            case 1 | 2:
                used_up = [each for each in every if each.left and not self.model.unused(each)]
                wanted = [each for each in used_up if not each.disputes] or used_up
            case _:
                wanted = [each for each in every if each.left]
        return pick(wanted or every, at)

    def asked(self) -> list[model_rows.Refund]:
        """Refunds that wait for something."""
        every = [each for purchase in self.model.purchases for each in purchase.refunds]
        return [refund for refund in every if refund.status in WAITING and refund.name]

    def given(self) -> list[tuple[model_rows.Purchase, Given]]:
        """Refunds that are at the gateway."""
        return [(purchase, given) for purchase in self.model.purchases for given in purchase.given]

    def drive(self, refund: model_rows.Refund, job: str) -> None:
        """A job asks the gateway, or looks there."""
        if job == "send":
            refunds.send(refund_id=UUID(refund.name), now=self.now)
            self.model.send(refund, self.now)
        else:
            due = Refund.objects.get(pk=refund.name).next_attempt_at
            refunds.poll(refund_id=UUID(refund.name), now=later(self.now, due))
            self.model.poll(refund, self.now)
        self.sent(refund)

    def sent(self, refund: model_rows.Refund) -> None:
        """Learn how the gateway calls what it was asked for."""
        if refund.given and not refund.given.name:
            reference = Refund.objects.get(pk=refund.name).reference
            refund.given.name = SandboxRefund.objects.get(reference=reference).pk
        self.tally[f"refund sent: {refund.status}"] += 1

    def lose_answer(self, refund: model_rows.Refund) -> None:
        """The gateway does it, and we do not hear of it."""
        try:
            refund.given = self.model.pay_back(refund.purchase, refund.amount)
        except No:
            return
        row = Refund.objects.select_related("purchase").get(pk=refund.name)
        made = sandbox.make(
            charge_id=row.purchase.payment_id,
            amount_minor=refund.amount // MINOR,
            reference=row.reference,
            key=f"refund:{row.pk}",
            now=self.now,
        )
        refund.given.name = made.pk
        self.tally["refund sent: answer lost"] += 1

    def hear_of_refund(self, purchase: model_rows.Purchase, given: Given, news: str) -> None:
        """We learn how it stands; of one that we did not know, a webhook tells first."""
        refund = next((each for each in purchase.refunds if each.given is given), None)
        before = refund.status if refund else "unknown"
        if news == "polled" and refund and refund.name:
            self.drive(refund, "poll")
        elif news == "applied":
            self.read_refund(purchase, given)
        else:
            self.told_of_refund(purchase, given)
        for adopted in purchase.refunds:
            if not adopted.name:
                assert adopted.given
                adopted.name = str(Refund.objects.get(gateway_id=adopted.given.name).pk)
        if refund and refund.status != before:
            self.tally[f"refund: {before} to {refund.status}"] += 1

    def read_refund(self, purchase: model_rows.Purchase, given: Given) -> None:
        """Somebody looks at the gateway, and does what has to be done about it."""
        state = charge_gateway(CODE).get_refund(
            reference="", payment_id="", charge_reference="", gateway_id=given.name
        )
        assert state is not None
        row = Purchase.objects.get(pk=purchase.name)
        self.attempt(
            "refund read",
            lambda: self.model.read_refund(purchase, given, self.now),
            lambda: refunds_adopted.adopt(purchase=row, state=state, now=self.now),
        )

    def told_of_refund(self, purchase: model_rows.Purchase, given: Given) -> None:
        """The newest webhook about it comes, perhaps once more: then it changes nothing."""
        event = factories.hear_of_object(given.name, now=self.now)
        if event.status == WebhookEvent.Status.PROCESSED:
            return
        no = ""
        try:
            self.model.hear_of_refund(purchase, given, self.now)
        except No as refused:
            no = refused.name
        event = factories.process(event, now=later(self.now, event.next_attempt_at))
        assert event.error.partition(":")[0] == no
        self.tally[f"refund told: {no}" if no else "refund told"] += 1


def pick[Item](items: list[Item], at: int) -> Item:
    """One of these, counted from the newest."""
    return items[-1 - at % len(items)]


def part_of(purchase: model_rows.Purchase, thousandths: int) -> int:
    """Micros, in whole minor units, at least one."""
    return max(purchase.paid * thousandths // 1_000 // MINOR, 1) * MINOR


def later(now: datetime, due: datetime | None) -> datetime:
    """When something that is due at ``due`` is done, if it is done as soon as possible."""
    return max(now, due or now)
