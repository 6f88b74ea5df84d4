"""Many sales at once, as large as the platform may become."""

from bench import data, server

SIZES = (10_000, 1_000_000)
BATCH = 50_000

# A sale for each number, in set form: the same rows in the same tables as access_buy() writes, by
# readers of their own whose lots and wallets move along.
SALES = """
CREATE TEMPORARY TABLE sale AS
SELECT gen_random_uuid() AS id, gen_random_uuid() AS right_id, r.id AS wallet, r.user_id,
       r.account_id, l.id AS lot, l.next_coin + {price} * (r.turn - 1) AS from_coin,
       l.coins, l.value_micros, 'g-' || (%(start)s + r.place) AS content_id,
       'w-' || (1 + r.place % {writers}) AS writer_id,
       timestamptz '{now}' - interval '90 days' + r.place * interval '1 second' AS at
FROM (SELECT b.*, row_number() OVER () AS place,
             row_number() OVER (PARTITION BY b.id) AS turn
      FROM payments_coinbalance b, generate_series(1, ceil(%(count)s / {readers}::numeric)::int) n
      LIMIT %(count)s) r
JOIN payments_coinlot l ON l.wallet_id = r.id;

INSERT INTO payments_transaction (id, kind, source_type, source_id, idempotency_key, payload_hash,
    occurred_at, recorded_at, line_count, actor, memo, metadata)
SELECT id, 'CONTENT_PURCHASE', 'entitlement', right_id::text, 'entitlement:' || right_id,
       sha256(id::text::bytea), at, at, 5, 'user:' || user_id, '',
       jsonb_build_object('content_id', content_id)
FROM sale;

INSERT INTO payments_entry (transaction_id, line, account_id, unit, amount)
SELECT s.id, x.line, x.account, x.unit, x.amount
FROM (SELECT s.*, div(value_micros::numeric * (from_coin + {price}), coins)::bigint
                - div(value_micros::numeric * from_coin, coins)::bigint AS value FROM sale s) s
CROSS JOIN LATERAL (VALUES
    (1, s.account_id, 'COIN', {price}::bigint),
    (2, payments_account_id('coins_issued', 'PLATFORM', '', 'COIN', 'POSITION', 1), 'COIN',
     -{price}::bigint),
    (3, payments_account_id('coins_deferred', 'PLATFORM', '', 'USD', 'LIABILITY', -1), 'USD',
     s.value),
    (4, payments_account_id('writer', 'WRITER', s.writer_id, 'USD', 'LIABILITY', -1), 'USD',
     -s.value * 65 / 100),
    (5, payments_account_id('platform:content', 'PLATFORM', '', 'USD', 'INCOME', -1), 'USD',
     s.value * 65 / 100 - s.value)) x(line, account, unit, amount);

INSERT INTO payments_lotuse (lot_id, transaction_id, kind, from_coin, to_coin, value_micros)
SELECT lot, id, 'SPEND', from_coin, from_coin + {price},
       div(value_micros::numeric * (from_coin + {price}), coins)
     - div(value_micros::numeric * from_coin, coins)
FROM sale;

UPDATE payments_coinlot l SET next_coin = n.upto
FROM (SELECT lot, max(from_coin) + {price} AS upto FROM sale GROUP BY lot) n WHERE n.lot = l.id;
UPDATE payments_coinbalance b
SET coins = b.coins - n.spent, purchased = b.purchased - n.spent,
    lifetime_spent = b.lifetime_spent + n.spent
FROM (SELECT wallet, count(*) * {price} AS spent FROM sale GROUP BY wallet) n
WHERE n.wallet = b.id;

INSERT INTO access_entitlement (id, user_id, content_id, ground, transaction_id, coins, granted_at)
SELECT right_id, user_id, content_id, 'PURCHASED', id, {price}, at FROM sale;

INSERT INTO revenue_earning (transaction_id, writer_id, stream, content_id, amount_micros, coins,
    promo_coins, rule_id, rate_bps, share_bps, reader_country, occurred_at, matures_at)
SELECT s.id, s.writer_id, 'CONTENT', s.content_id, -e.amount, {price}, 0,
       (SELECT id FROM revenue_splitrule WHERE stream = 'CONTENT' LIMIT 1), 6500, 10000, '', s.at,
       s.at + interval '30 days'
FROM sale s JOIN payments_entry e ON e.transaction_id = s.id AND e.line = 4;

INSERT INTO payments_outboxevent (id, type, subject, payload, occurred_at, trace_id)
SELECT gen_random_uuid(), 'payments.balance.changed', user_id, '{{}}', at, '' FROM sale;

DROP TABLE sale;
"""


def fill(size: int) -> None:
    """Sell until there are about so many transactions, the sealer keeping up."""
    with server.superuser() as connection:
        row = connection.execute("SELECT count(*) FROM payments_transaction").fetchone()
        assert row is not None
    missing = size - int(str(row[0]))
    while missing > 0:
        add(min(BATCH, missing))
        missing -= BATCH
    with server.superuser() as connection:
        connection.execute("VACUUM ANALYZE")


def add(count: int) -> None:
    """Sell ``count`` chapters in one transaction."""
    with server.superuser() as connection, connection.transaction():
        row = connection.execute("SELECT count(*) FROM access_entitlement").fetchone()
        assert row is not None
        statement = SALES.format(
            price=data.PRICE, writers=data.WRITERS, readers=data.READERS, now=data.NOW
        )
        for part in statement.split(";\n"):
            if part.strip():
                connection.execute(
                    part.replace("%(start)s", str(row[0])).replace("%(count)s", str(count))
                )
