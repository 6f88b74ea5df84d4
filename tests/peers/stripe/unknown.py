"""Parameters that Stripe knows and this peer does not.

Only those are here that would change the answer: to leave them out in silence would be a lie.
"""

UNKNOWN: dict[str, set[str]] = {
    "checkout.sessions.create": {
        "automatic_tax",
        "discounts",
        "excluded_payment_method_types",
        "invoice_creation",
        "managed_payments",
        "optional_items",
        "setup_intent_data",
        "shipping_options",
        "subscription_data",
    },
    "checkout.sessions.list": {
        "customer_account",
        "customer_details",
        "payment_link",
        "subscription",
    },
    "customers.list": {"test_clock"},
    "events.list": {"delivery_success"},
    "payment_intents.create": {
        "application_fee_amount",
        "capture_method",
        "confirmation_method",
        "confirmation_token",
        "mandate_data",
        "payment_method_data",
        "transfer_data",
    },
    "payment_intents.confirm": {"capture_method", "confirmation_token", "payment_method_data"},
    "payment_intents.list": {"customer_account"},
    "payment_methods.list": {"allow_redisplay", "customer_account"},
    "payouts.list": {"destination"},
    "refunds.create": {"refund_application_fee", "reverse_transfer"},
}
