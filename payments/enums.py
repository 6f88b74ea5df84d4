"""Words that every app shares. Upper-case in the database, lower-case snake_case in the API."""

from django.db.models import TextChoices


class Currency(TextChoices):
    """What readers pay in, ISO 4217."""

    USD = "USD", "US dollar"
    CAD = "CAD", "Canadian dollar"
    NGN = "NGN", "Nigerian naira"


BOOK_CURRENCY = Currency.USD
"""Coins are valued, and writers are owed, in this currency (ledger.md, section 1)."""


class Unit(TextChoices):
    """What an account counts: fiat in micros, coins in coins."""

    COIN = "COIN", "Coin"
    USD = "USD", "US dollar"
    CAD = "CAD", "Canadian dollar"
    NGN = "NGN", "Nigerian naira"


class Provider(TextChoices):
    """Who moves the money."""

    STRIPE = "STRIPE", "Stripe"
    PAYSTACK = "PAYSTACK", "Paystack"
    SANDBOX = "SANDBOX", "Sandbox"


class TransactionKind(TextChoices):
    """The business event that a ledger transaction records; one template each."""

    COIN_PURCHASE = "COIN_PURCHASE", "Coin purchase"
    GATEWAY_FEE = "GATEWAY_FEE", "Gateway fee"
    CONTENT_PURCHASE = "CONTENT_PURCHASE", "Content purchase"
    TIP = "TIP", "Tip"
    REVERSAL = "REVERSAL", "Reversal"
    PROMO_GRANT = "PROMO_GRANT", "Promotional coins"
    EXPIRY = "EXPIRY", "Coins expired"
    COIN_TRANSFER = "COIN_TRANSFER", "Coins given to a reader"
    ADJUSTMENT = "ADJUSTMENT", "Adjustment"
    MONEY_REFUND = "MONEY_REFUND", "Money refund requested"
    REFUND_PAID = "REFUND_PAID", "Money refund paid"
    REFUND_FAILED = "REFUND_FAILED", "Money refund failed"
    REFUND_RETURNED = "REFUND_RETURNED", "Money refund returned"
    REFUND_RETAKEN = "REFUND_RETAKEN", "Money refund paid after it had failed"
    DISPUTE_OPENED = "DISPUTE_OPENED", "Dispute opened"
    DISPUTE_FEE = "DISPUTE_FEE", "Dispute fee"
    DISPUTE_WON = "DISPUTE_WON", "Dispute won"
    DISPUTE_LOST = "DISPUTE_LOST", "Dispute lost"
    LOSS_UNDONE = "LOSS_UNDONE", "Lost dispute undone"
    DEBT_RETURNED = "DEBT_RETURNED", "Settled debt returned"
    DEBT_WRITTEN_OFF = "DEBT_WRITTEN_OFF", "Debt written off"
    CONVERSION = "CONVERSION", "Converted by the gateway"
    SETTLEMENT = "SETTLEMENT", "Settlement to the bank"
    SETTLEMENT_RETURNED = "SETTLEMENT_RETURNED", "Settlement returned by the bank"
    CORRECTION = "CORRECTION", "Correction of a gateway balance"


GATEWAY_KINDS = (
    TransactionKind.COIN_PURCHASE,
    TransactionKind.CONVERSION,
    TransactionKind.CORRECTION,
    TransactionKind.DISPUTE_FEE,
    TransactionKind.DISPUTE_OPENED,
    TransactionKind.DISPUTE_WON,
    TransactionKind.GATEWAY_FEE,
    TransactionKind.REFUND_PAID,
    TransactionKind.REFUND_RETURNED,
    TransactionKind.REVERSAL,
    TransactionKind.SETTLEMENT,
    TransactionKind.SETTLEMENT_RETURNED,
)
"""What can move a gateway's account. Looked up by day: an index holds these kinds alone."""


class LotOrigin(TextChoices):
    """Where the coins of a lot came from."""

    PURCHASE = "PURCHASE", "Purchase"
    GIFT_CARD = "GIFT_CARD", "Gift card"
    PROMO = "PROMO", "Promotion"
    LOYALTY = "LOYALTY", "Loyalty"
    RESTORED = "RESTORED", "Restored"
    TRANSFER = "TRANSFER", "Gift from a reader"
    ADJUSTMENT = "ADJUSTMENT", "Adjustment"


class Stream(TextChoices):
    """How a writer earns."""

    CONTENT = "CONTENT", "Content"
    TIP = "TIP", "Tips"
    SUBSCRIPTION = "SUBSCRIPTION", "Subscription pool"
    LICENSING = "LICENSING", "Licensing"
    ADVERTISING = "ADVERTISING", "Advertising"


class Tier(TextChoices):
    """Subscription tiers, lowest first."""

    BASIC = "BASIC", "Basic"
    PREMIUM = "PREMIUM", "Premium"
    VIP = "VIP", "VIP"
