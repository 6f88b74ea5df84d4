"""The figures we publish to Prometheus, each defined once."""

from prometheus_client import Counter

LEDGER_TRANSACTIONS = Counter(
    "legato_ledger_transactions_total", "Transactions recorded in the ledger.", ["kind"]
)
GATEWAY_REQUESTS = Counter(
    "legato_gateway_requests_total",
    "Calls to payment gateways.",
    ["gateway", "operation", "outcome"],
)
WEBHOOK_EVENTS = Counter(
    "legato_webhook_events_total", "Deliveries to our webhook endpoints.", ["gateway", "result"]
)
COIN_PURCHASES = Counter(
    "legato_coin_purchases_total",
    "Coin purchases by their outcome.",
    ["gateway", "currency", "status"],
)
COINS_SPENT = Counter("legato_coins_spent_total", "Coins spent by readers.", ["stream"])
