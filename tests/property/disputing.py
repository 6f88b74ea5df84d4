"""Steps of payers' banks: disputes, from the first question to the last decision."""

from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import precondition

from access.services import dispute_losses
from payments.gateways.sandbox import disputes as sandbox
from payments.gateways.sandbox.gateway import SandboxGateway
from payments.gateways.values import Evidence
from payments.models import Dispute, Purchase, WebhookEvent
from payments.services import dispute_answers, disputes, wallets
from tests import factories
from tests.property import comparing, model_rows
from tests.property.machine import READERS, WRITERS, readers, step
from tests.property.model import TIP_DAILY
from tests.property.model_rows import MINOR, UNDECIDED
from tests.property.money_back import NEWS, later, newest_first, part_of, pick
from tests.property.money_out import MoneyOut

POLICIES = ("WRITERS", "WRITERS", "READER", "READER", "PLATFORM")
DECISIONS = ("LOST", "LOST", "LOST", "WON", "WITHDRAWN")

heard = st.sampled_from(["", *NEWS, *NEWS])


class Disputing(MoneyOut):
    """Disputes, and what a lost one leaves behind."""

    @step(at=newest_first, part=st.sampled_from([None, None, None, 1_000, 1_000, 700, 1]),
          policy=st.sampled_from(POLICIES), is_inquiry=st.sampled_from([False] * 4 + [True]),
          is_spent=st.sampled_from([True, True, False]), news=heard)  # fmt: skip
    def bank_disputes(
        self, at: int, part: int | None, policy: str, is_inquiry: bool, is_spent: bool, news: str
    ) -> None:
        used = self.given_away() if at % 3 == 0 else self.spent()
        purchase = pick((is_spent and used) or self.model.purchases, at)
        amount = purchase.left_at_gateway if part is None else part_of(purchase, part)
        if not amount or len(purchase.disputes) == 3:
            return
        dispute = self.open(purchase, amount, is_inquiry=is_inquiry)
        if news:
            self.hear_of_dispute(dispute, news)
            self.choose(dispute, policy)
            held = [reader for reader in READERS if self.model.held(reader)[2]]
            self.tally["frozen: given away"] += any(name != purchase.reader for name in held)

    @step(reader=readers, writer=st.sampled_from(WRITERS), at=newest_first,
          policy=st.sampled_from(POLICIES), news=heard)  # fmt: skip
    def use_the_coins_and_take_the_money_back(
        self, reader: str, writer: str, at: int, policy: str, news: str
    ) -> None:
        self.send_tip(reader, writer, min(self.model.held(reader)[0], TIP_DAILY))
        used_up = [purchase for purchase in self.spent() if not self.model.unused(purchase)]
        wanted = [purchase for purchase in used_up if not purchase.disputes]
        if not wanted:
            return
        foreign = [purchase for purchase in wanted if purchase.currency != "USD"]
        purchase = pick(foreign or wanted, at)
        dispute = self.open(purchase, purchase.paid, is_inquiry=False)
        self.hear_of_dispute(dispute, "applied")
        self.choose(dispute, policy)
        self.decide(dispute, "LOST")
        if news:
            self.hear_of_dispute(dispute, news)
            self.settle(dispute)

    @precondition(lambda self: self.disputes())
    @step(at=newest_first, policy=st.sampled_from(POLICIES))
    def somebody_chooses_who_bears_it(self, at: int, policy: str) -> None:
        self.choose(pick(self.disputes(), at), policy)

    @precondition(lambda self: self.disputes())
    @step(at=newest_first, with_evidence=st.booleans())
    def answer_a_dispute(self, at: int, with_evidence: bool) -> None:
        dispute = pick(self.disputes(), at)
        pk = self.row(dispute).pk
        self.attempt(
            "evidence" if with_evidence else "given up",
            lambda: self.model.answer(dispute, with_evidence=with_evidence),
            lambda: (
                dispute_answers.answer(
                    dispute_id=pk, evidence=Evidence("x"), actor="staff:7", now=self.now
                )
                if with_evidence
                else dispute_answers.accept(
                    dispute_id=pk, actor="staff:7", reason="theirs", now=self.now
                )
            ),
        )

    @precondition(lambda self: self.at_the_bank())
    @step(at=newest_first, decision=st.sampled_from(DECISIONS), news=heard,
          is_settled=st.sampled_from([True, True, False]), is_again=st.booleans())  # fmt: skip
    def bank_decides(
        self, at: int, decision: str, news: str, is_settled: bool, is_again: bool
    ) -> None:
        every = self.at_the_bank()
        wanted = [each for each in every if (each.theirs in UNDECIDED) != is_again]
        indebted = [each for each in wanted if each.losses and each.losses[-1].owed]
        dispute = pick(indebted or wanted or every, at)
        self.decide(dispute, decision)
        if news:
            self.hear_of_dispute(dispute, news)
        if is_settled:
            self.settle(dispute)

    @precondition(lambda self: self.at_the_bank())
    @step(at=newest_first, news=st.sampled_from(NEWS))
    def dispute_is_heard_of(self, at: int, news: str) -> None:
        self.hear_of_dispute(pick(self.at_the_bank(), at), news)

    @precondition(lambda self: self.disputes())
    @step(at=newest_first)
    def settle_a_dispute(self, at: int) -> None:
        waiting = [each for each in self.disputes() if needs_settling(each)]
        self.settle(pick(waiting or self.disputes(), at))

    @step(reader=readers)
    def unblock(self, reader: str) -> None:
        self.tally["unblocked"] += bool(self.model.blocks[reader])
        self.model.unblock(reader)
        wallets.unblock(user_id=reader, actor="staff:7", reason="by phone", now=self.now)

    def come_to_the_end(self) -> None:
        """Everything that banks decided is heard of and settled; both books say the same then."""
        for dispute in self.at_the_bank():
            self.hear_of_dispute(dispute, "told")
            self.settle(dispute)
        super().come_to_the_end()
        comparing.what_the_gateway_says()

    def at_the_bank(self) -> list[model_rows.Dispute]:
        """Every dispute, whether we have heard of it or not."""
        return [each for purchase in self.model.purchases for each in purchase.disputes]

    def disputes(self) -> list[model_rows.Dispute]:
        """Those that we have heard of."""
        return [each for each in self.at_the_bank() if each.status]

    def spent(self) -> list[model_rows.Purchase]:
        """Payments whose coins paid for something."""
        used = [part.purchase for sale in self.model.sales for part in sale.parts]
        return [purchase for purchase in self.model.purchases if purchase in used]

    def given_away(self) -> list[model_rows.Purchase]:
        """Payments whose coins are in the wallets of others."""
        return [
            each
            for each in self.model.purchases
            if any(reader != each.reader for _, reader in self.model.unused(each))
        ]

    def open(
        self, purchase: model_rows.Purchase, amount: int, *, is_inquiry: bool
    ) -> model_rows.Dispute:
        """A bank wants a payment back, or asks about it; we have not heard of it yet."""
        opened = sandbox.open_one(
            charge_id=Purchase.objects.get(pk=purchase.name).payment_id,
            amount_minor=amount // MINOR,
            is_inquiry=is_inquiry,
            now=self.now,
        )
        dispute = self.model.dispute(purchase, amount, is_inquiry=is_inquiry)
        dispute.name = opened.pk
        self.tally["dispute: inquiry" if is_inquiry else "dispute"] += 1
        self.tally["dispute: part"] += amount < purchase.paid
        self.tally["dispute: after a refund"] += purchase.refunded > 0
        self.tally["dispute: another of a purchase"] += len(purchase.disputes) > 1
        return dispute

    def decide(self, dispute: model_rows.Dispute, decision: str) -> None:
        """The bank decides; we have not heard of it yet."""
        self.model.decide(dispute, decision)
        if decision == "LOST":
            sandbox.lose(dispute_id=dispute.name, now=self.now)
        else:
            is_withdrawn = decision == "WITHDRAWN"
            sandbox.win(dispute_id=dispute.name, is_withdrawn=is_withdrawn, now=self.now)

    def row(self, dispute: model_rows.Dispute) -> Dispute:
        """Ours, in the books."""
        return Dispute.objects.get(gateway_id=dispute.name)

    def choose(self, dispute: model_rows.Dispute, policy: str) -> None:
        """Somebody says who bears it."""
        pk = self.row(dispute).pk
        self.attempt(
            "policy",
            lambda: self.model.choose(dispute, policy),
            lambda: dispute_losses.choose_policy(
                dispute_id=pk,
                policy=Dispute.Policy(policy),
                actor="staff:7",
                reason="a test",
                now=self.now,
            ),
        )

    def hear_of_dispute(self, dispute: model_rows.Dispute, news: str) -> None:
        """We learn how it stands, and then again."""
        before = dispute.status
        for _ in range(2):
            if news == "polled" and before:
                due = self.row(dispute).next_attempt_at
                disputes.poll(dispute_id=self.row(dispute).pk, now=later(self.now, due))
                self.model.poll_dispute(dispute)
            elif news == "applied":
                self.look_at(dispute)
            else:
                event = factories.hear_of_object(dispute.name, now=self.now)
                event = factories.process(event, now=self.now)
                assert event.status == WebhookEvent.Status.PROCESSED, event.error
                self.model.hear_of_dispute(dispute)
        if dispute.status != before:
            self.tally[f"dispute heard: {dispute.status}"] += 1

    def look_at(self, dispute: model_rows.Dispute) -> None:
        """Somebody looks at the gateway, and does what has to be done about it."""
        state = SandboxGateway().get_dispute(gateway_id=dispute.name)
        assert state is not None
        disputes.apply(purchase_id=UUID(dispute.purchase.name), state=state, now=self.now)
        self.model.hear_of_dispute(dispute)

    def settle(self, dispute: model_rows.Dispute) -> None:
        """The job that takes earnings and coins, or gives them back, runs twice."""
        if not dispute.status:
            return
        before = dispute.booked
        self.model.settle(dispute, self.now)
        for _ in range(2):
            dispute_losses.settle(dispute_id=self.row(dispute).pk, now=self.now)
        if dispute.booked == before:
            return
        loss = dispute.losses[-1]
        what = "undone" if loss.is_undone else "lost"
        self.tally[f"{what}: {dispute.policy}"] += 1
        self.tally[f"{what}: {dispute.purchase.currency}"] += 1
        self.tally[f"{what}: earnings"] += bool(loss.shares)
        self.tally[f"{what}: earnings that stay"] += loss.kept > 0
        self.tally[f"{what}: unused coins"] += bool(loss.unused)
        readers = {reader for reader, _ in loss.unused}
        self.tally[f"{what}: coins given away"] += bool(readers - {dispute.purchase.reader})
        self.tally[f"{what}: debt"] += loss.owed > 0


def needs_settling(dispute: model_rows.Dispute) -> bool:
    """Whether the job has something to do."""
    return (dispute.status, dispute.booked) in (
        ("LOST", "HELD"),
        ("WON", "LOST"),
        ("WITHDRAWN", "LOST"),
    )
