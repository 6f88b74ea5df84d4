"""A gateway that said a refund failed, and then that it paid it: finance asks it, and closes that.

The reader has the coins and perhaps the money. The gateway is always asked first. Where the money
went out, either the coins go again, and what is missing of them becomes the reader's debt, or we
bear it; where it did not, nothing moves. Much money takes another person, as any refund does.
"""

from datetime import datetime
from uuid import UUID

from django.db.transaction import atomic

from legato_payments.lib.errors import Conflict
from legato_payments.lib.failpoints import failpoint
from legato_payments.lib.money import Money
from payments import approvals, audit, outbox
from payments.approvals import Order, Target
from payments.gateways import base, registry
from payments.gateways.values import Outcome
from payments.ledger import balances
from payments.models import ApprovalRequest, CoinBalance, Purchase, Refund, RefundClosing
from payments.services import (
    attempts,
    refund_closings,
    refund_outcomes,
    refund_proposals,
    refunds,
    wallets,
)

CLOSE_REFUND = "payments.close_refund"

Status = Refund.Status
Word = Refund.Word
Decision = RefundClosing.Decision


class NotContradicted(Conflict):
    code = "refund_not_contradicted"
    title = "The gateway does not contradict itself about this refund, or that is closed already."


class GatewayDisagrees(Conflict):
    code = "gateway_disagrees"
    title = "The gateway says otherwise."


def ask(*, refund_id: UUID, actor: str, now: datetime) -> Refund:
    """Ask the gateway once more whether it paid, and keep what it says.

    Call it outside a transaction.

    Raises:
        NotContradicted: There is nothing to ask about.
        GatewayDisagrees: It speaks of another amount than ours.
        attempts.GatewayUnavailable: No answer.
    """
    refund = Refund.objects.select_related("purchase").get(pk=refund_id)
    if refund.status != Status.CONTRADICTED:
        raise NotContradicted
    word = _word_of(refund)
    refund = refund_outcomes.say(refund_id=refund_id, word=word, now=now)
    audit.record(
        actor=actor,
        action="payments.refund.asked_again",
        object_type="refund",
        object_id=refund_id,
        now=now,
        after={"gateway_says": word.value},
    )
    return refund


def propose(
    *, refund_id: UUID, decision: RefundClosing.Decision, reason: str, actor: str, now: datetime
) -> ApprovalRequest | RefundClosing:
    """Close a contradiction by what the gateway says now; call it outside a transaction.

    That it failed after all moves nothing, and is done at once. The others are, up to the limit of
    refunds; beyond it, or where much is given away, another person has to agree.

    Raises:
        audit.ReasonMissing: No reason.
        NotContradicted, attempts.GatewayUnavailable: As ``ask``.
        GatewayDisagrees: It says that it paid what is to be closed as failed, or the reverse, or
            it does not say.
        refunds.PurchaseDisputed: The coins are frozen until the payer's bank decides.
        approvals.AlreadyProposed: Somebody else proposes the same.
    """
    if not reason.strip():
        raise audit.ReasonMissing
    refund = ask(refund_id=refund_id, actor=actor, now=now)
    check(refund, decision)
    purchase = refund.purchase
    amount = Money(refund.amount_micros, refund.currency)
    known = {
        "reader": purchase.user_id,
        "amount": amount.amount(),
        "currency": amount.currency,
        "closed_before": refund.closings.count(),
    }
    target = Target("refund", str(refund.pk))
    payload = {
        "before": {**known, "gateway_says": refund.last_word},
        "after": {**known, "gateway_says": refund.last_word, "decision": decision.value},
    }
    if decision == Decision.FAILED:
        return carry_out(Order(target, payload, actor, reason, now))
    stake = refund_proposals.at_stake(purchase, amount)
    return approvals.propose(
        action=CLOSE_REFUND,
        target=target,
        payload=payload,
        summary=f"Refund of {amount} to {purchase.user_id}, paid after it had failed:"
        f" {decision.label}",
        maker=actor,
        reason=reason,
        effect=carry_out,
        now=now,
        amount=stake,
        at_least=_at_least(refund, decision, stake, actor=actor, now=now),
    )


def check(refund: Refund, decision: str) -> None:
    """Whether it can be closed so after what the gateway said last.

    Raises:
        NotContradicted: There is nothing to close.
        GatewayDisagrees: The gateway says otherwise.
        refunds.PurchaseDisputed: The coins are frozen until the payer's bank decides.
    """
    if refund.status != Status.CONTRADICTED:
        raise NotContradicted
    wanted = Word.NOT_PAID if decision == Decision.FAILED else Word.PAID
    if refund.last_word != wanted:
        says = Word(refund.last_word).label if refund.last_word else "nothing"
        raise GatewayDisagrees(f"The gateway says: {says.lower()}.", gateway_says=refund.last_word)
    if decision == Decision.COINS and refund.purchase.disputes.freezing().exists():
        raise refunds.PurchaseDisputed


def people_needed(
    *, refund: Refund, decision: RefundClosing.Decision, actor: str, now: datetime
) -> int:
    """How many other people have to agree before it is closed so."""
    if decision == Decision.FAILED:
        return 0
    amount = Money(refund.amount_micros, refund.currency)
    stake = refund_proposals.at_stake(refund.purchase, amount)
    by_rules = approvals.needed_for(action=CLOSE_REFUND, amount=stake, on=now)
    return max(by_rules, _at_least(refund, decision, stake, actor=actor, now=now))


def preview(*, refund: Refund, decision: RefundClosing.Decision) -> refund_closings.Plan:
    """What closing it as paid would come to now; nothing changes."""
    purchase = refund.purchase
    wallet = CoinBalance.objects.get(user_id=purchase.user_id)
    lots = refund_closings.lots_of(refund, wallet) if decision == Decision.COINS else []
    return refund_closings.plan(refund, purchase, decision, lots)


@atomic
def carry_out(order: Order) -> RefundClosing:
    """Close a contradiction as was decided, once.

    Raises:
        NotContradicted: It is closed by now.
        GatewayDisagrees: It has said otherwise since.
        refunds.PurchaseDisputed: The coins are frozen by now.
    """
    refund_id, after = UUID(order.target.id), order.payload["after"]
    user_id = Purchase.objects.values_list("user_id", flat=True).get(refunds=refund_id)
    wallet = balances.lock(user_id=user_id)
    purchase, refund = refund_outcomes.lock_both(refund_id)
    refund.purchase = purchase
    check(refund, after["decision"])
    if after["closed_before"] != refund.closings.count():
        raise NotContradicted
    closing = RefundClosing(
        refund=refund,
        decision=after["decision"],
        reason=order.reason[:300],
        approval_id=order.approval_id,
        closed_by=order.maker,
        closed_at=order.now,
    )
    if closing.decision == Decision.FAILED:
        closing.save(force_insert=True)
        refund.status = Status.FAILED
    else:
        refund_closings.book(refund=refund, purchase=purchase, wallet=wallet, closing=closing)
        failpoint("contradiction.booked")
        refund_outcomes.post_paid(refund, purchase, event=f"paid:{closing.pk}", now=order.now)
        refund.status = Status.SUCCEEDED
    refund.completed_at = order.now
    refund.save(update_fields=["status", "completed_at"])
    _tell(closing, refund, wallet)
    return closing


def _word_of(refund: Refund) -> Refund.Word:
    """What the gateway says; one that it does not know was not paid."""
    purchase = refund.purchase
    try:
        state = registry.charge_gateway(purchase.provider).get_refund(
            reference=refund.reference,
            payment_id=purchase.payment_id,
            charge_reference=purchase.reference,
            gateway_id=refund.gateway_id,
            since=refund.requested_at,
        )
    except base.GatewayError as error:
        raise attempts.GatewayUnavailable(retry_after=30) from error
    if state is None:
        return Word.NOT_PAID
    if state.amount != Money(refund.amount_micros, refund.currency):
        raise GatewayDisagrees(f"It has a refund of {state.amount}: see the reconciliation.")
    match state.outcome:
        case Outcome.SUCCEEDED:
            return Word.PAID
        case Outcome.FAILED | Outcome.CANCELLED:
            return Word.NOT_PAID
        case _:
            return Word.UNCLEAR


def _at_least(
    refund: Refund, decision: RefundClosing.Decision, stake: Money, *, actor: str, now: datetime
) -> int:
    """As many people as a refund of the amount takes; what we bear counts as goodwill."""
    as_refund = approvals.needed_for(action=refund_proposals.REFUND_PURCHASE, amount=stake, on=now)
    given = refund.amount_micros if decision == Decision.GOODWILL else 0
    goodwill = Money(given, refund.currency)
    as_goodwill = refund_proposals.at_least(refund.purchase, goodwill, actor=actor, now=now)
    return max(as_refund, as_goodwill)


def _tell(closing: RefundClosing, refund: Refund, wallet: CoinBalance) -> None:
    audit.record(
        actor=closing.closed_by,
        action="payments.refund.closed",
        object_type="refund",
        object_id=refund.pk,
        now=closing.closed_at,
        before={"status": Status.CONTRADICTED.value},
        after={
            "status": refund.status,
            "decision": closing.decision,
            "coins": closing.coins,
            "owed_micros": closing.owed_micros,
            "goodwill_micros": closing.goodwill_micros,
            "approval_id": str(closing.approval_id or ""),
        },
        reason=closing.reason,
    )
    if closing.transaction_id is None:
        return
    now = closing.closed_at
    paid = refund_outcomes.refunded_event(refund, refund.purchase, coins=closing.coins, now=now)
    changed = wallets.changed_event(
        wallet=wallet, transaction_id=closing.transaction_id, occurred_at=now
    )
    outbox.emit_all([paid, changed] if closing.coins else [paid])
