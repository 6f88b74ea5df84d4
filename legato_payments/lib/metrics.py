"""The figures we publish to Prometheus, each defined once.

Here is what processes count. What can be read from the database is in ``lib.gauges``.
"""

from prometheus_client import Counter, Histogram

from legato_payments.lib import metrics_files

# Before the first definition: a metric decides then where it counts.
metrics_files.share()

HTTP_REQUEST_SECONDS = Histogram(
    "legato_http_request_duration_seconds",
    "Time to answer a request, by route and not by address.",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
RATE_LIMITED = Counter(
    "legato_rate_limited_total", "Requests refused because of a rate limit.", ["policy"]
)
JOBS = Counter("legato_jobs_total", "Background jobs by how they ended.", ["job", "result"])
DB_RETRIES = Counter(
    "legato_db_retries_total",
    "Transactions repeated because the database gave up on them.",
    ["sqlstate"],
)
IDEMPOTENCY = Counter(
    "legato_idempotency_total", "Requests with an idempotency key by their result.", ["result"]
)
LEDGER_TRANSACTIONS = Counter(
    "legato_ledger_transactions_total", "Transactions recorded in the ledger.", ["kind"]
)
GATEWAY_REQUESTS = Counter(
    "legato_gateway_requests_total",
    "Calls to payment gateways.",
    ["gateway", "operation", "outcome"],
)
GATEWAY_REQUEST_SECONDS = Histogram(
    "legato_gateway_request_duration_seconds",
    "Time that calls to payment gateways took.",
    ["gateway", "operation"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20),
)
GATEWAY_ATTEMPTS = Counter(
    "legato_gateway_attempts_total",
    "What came of what was asked of payment gateways.",
    ["gateway", "operation", "state"],
)
WEBHOOK_EVENTS = Counter(
    "legato_webhook_events_total",
    "Deliveries to our webhook endpoints.",
    ["gateway", "type", "result"],
)
COIN_PURCHASES = Counter(
    "legato_coin_purchases_total",
    "Coin purchases by their outcome.",
    ["gateway", "currency", "status"],
)
COINS_SPENT = Counter("legato_coins_spent_total", "Coins spent by readers.", ["stream"])
