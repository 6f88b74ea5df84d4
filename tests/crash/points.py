"""The places where tests let a process die, by what it was doing."""

REMOTE = [
    "idempotency.claimed",
    "purchase.created",
    "purchase.charged",
    "purchase.opened",
    "idempotency.remote_done",
]
OPENING = [
    "purchase.created",
    "attempt.written",
    "attempt.answered",
    "purchase.charged",
    "purchase.opened",
]
"""From the row of a purchase to its payment page, at a gateway over HTTP too."""

MONEY_REFUND = [
    "money_refund.posted",
    "money_refund.created",
    "attempt.written",
    "attempt.answered",
]
MONEY_REFUND_ENDS = ["money_refund.paid", "money_refund.failed"]
DISPUTE = [
    "dispute.held",
    "dispute.applied",
    "dispute.won",
    "dispute.lost",
    "dispute.earnings_taken",
    "dispute.settled",
    "dispute.undone",
]
SETTLE = ["webhook.claimed", "settle.locked", "settle.posted", "webhook.handled"]

LOCAL = ["idempotency.executed", "idempotency.stored", "idempotency.committed"]
"""Around whatever a keyed request does within one transaction."""

SPEND = ["spend.started", "spend.written"]
TIP = ["tip.burned", "tip.posted", "tip.earned"]
GIFT = ["gift.burned", "gift.posted", "gift.passed_on"]
REFUND = [
    "reversal.posted",
    "reversal.restored",
    "reversal.earnings_back",
    "reversal.right_ended",
    "refund.reversed",
    "refund.recorded",
]
GRANT = ["grant.issued", "grant.counted"]
ADJUST = ["approval.claimed", "adjustment.posted", "approval.carried_out"]
EXPIRE = ["expiry.used", "expiry.posted", "expiry.told"]
RECONCILE = ["reconciliation.begun", "settle.posted"]
CORRECT = ["correction.posted"]
CLOSE = ["contradiction.booked"]
WRITE_OFF = ["write_off.posted"]
SEAL = ["seal.linked"]
PUBLISH = ["events.numbered"]

ALL = [
    *(*REMOTE, *SETTLE, *LOCAL, *SPEND, *TIP, *GIFT, *REFUND),
    *(*GRANT, *ADJUST, *EXPIRE, *SEAL, *PUBLISH, *CORRECT, "reconciliation.begun"),
    *(*CLOSE, *WRITE_OFF),
    *("attempt.written", "attempt.answered"),
    *("money_refund.posted", "money_refund.created", *MONEY_REFUND_ENDS, *DISPUTE),
]
