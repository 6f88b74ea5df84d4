"""Readers, writers and chapters in bulk: what the measured operations work on."""

from bench import server

READERS = 4_000
WRITERS = 1_000
CHAPTERS = 20_000
PRICE = 5
COINS = 1_000_000
"""In each reader's only lot: nobody runs out of coins."""

NOW = "2026-11-02 12:00:00+00"

FILL = f"""
INSERT INTO revenue_writer (writer_id, first_seen_at, level, country)
SELECT 'w-' || n, timestamptz '{NOW}' - interval '1 year', 'STANDARD', ''
FROM generate_series(1, {WRITERS}) n;

INSERT INTO access_content (content_id, title, price_coins, is_free, is_published, required_tier,
                            series_id, created_at, updated_at)
SELECT 'c-' || n, 'Chapter ' || n, {PRICE}, false, true, '', '', '{NOW}', '{NOW}'
FROM generate_series(1, {CHAPTERS}) n;

INSERT INTO revenue_authorship (content_id, writer_id, share_bps, valid_from)
SELECT 'c-' || n, 'w-' || (1 + n % {WRITERS}), 10000, '{NOW}'
FROM generate_series(1, {CHAPTERS}) n;

-- As many chapters of one writer, whom everybody reads.
INSERT INTO access_content (content_id, title, price_coins, is_free, is_published, required_tier,
                            series_id, created_at, updated_at)
SELECT 'h-' || n, 'Hit ' || n, {PRICE}, false, true, '', '', '{NOW}', '{NOW}'
FROM generate_series(1, {CHAPTERS}) n;
INSERT INTO revenue_authorship (content_id, writer_id, share_bps, valid_from)
SELECT 'h-' || n, 'w-1', 10000, '{NOW}' FROM generate_series(1, {CHAPTERS}) n;

INSERT INTO payments_account (code, owner_type, owner_id, unit, type, normal_side, mode)
SELECT 'wallet', 'USER', 'r-' || n, 'COIN', 'LIABILITY', -1, 'GUARDED'
FROM generate_series(1, {READERS}) n;

INSERT INTO payments_coinbalance (user_id, account_id, coins, purchased, promo, held,
    lifetime_purchased, lifetime_bonus, lifetime_spent, lifetime_tipped, lifetime_received,
    lifetime_refunded, lifetime_expired)
SELECT owner_id, id, {COINS}, {COINS}, 0, 0, {COINS}, 0, 0, 0, 0, 0, 0
FROM payments_account WHERE code = 'wallet' ORDER BY id;
"""
"""All but the coins, which come through the ledger as an adjustment's would."""


def fill() -> None:
    """Write them; the coins are posted, so that the books add up before and after."""
    with server.superuser() as connection:
        connection.execute(FILL)
        _issue_coins(connection)
        connection.execute("VACUUM ANALYZE")


def _issue_coins(connection: server.psycopg.Connection[tuple[object, ...]]) -> None:
    connection.execute("""
        CREATE TEMPORARY TABLE issue AS
        SELECT gen_random_uuid() AS id, w.id AS wallet, w.user_id, w.account_id
        FROM payments_coinbalance w;
        SELECT payments_account_id('coins_issued', 'PLATFORM', '', 'COIN', 'POSITION', 1),
               payments_account_id('coins_deferred', 'PLATFORM', '', 'USD', 'LIABILITY', -1),
               payments_account_id('adjustment', 'PLATFORM', '', 'USD', 'EXPENSE', 1);
    """)
    connection.execute(f"""
        SELECT payments_post_lines(
            i.id, 'ADJUSTMENT', 'bench', i.user_id, 'bench:' || i.user_id, '{NOW}',
            'system:bench', '{{}}',
            ARRAY['adjustment', 'coins_deferred', 'coins_issued', 'wallet'],
            ARRAY['', '', '', i.user_id], ARRAY['USD', 'USD', 'COIN', 'COIN'],
            ARRAY[{COINS} * 6059::bigint, -{COINS} * 6059::bigint, {COINS}, -{COINS}],
            ARRAY[(SELECT id FROM payments_account WHERE code = 'adjustment'),
                  (SELECT id FROM payments_account WHERE code = 'coins_deferred'),
                  (SELECT id FROM payments_account WHERE code = 'coins_issued'), i.account_id])
        FROM issue i
    """)
    connection.execute(f"""
        INSERT INTO payments_coinlot (wallet_id, origin, is_purchased, coins, next_coin,
            value_micros, paid_micros, paid_unit, transaction_id, priority, frozen_by, created_at)
        SELECT i.wallet, 'ADJUSTMENT', true, {COINS}, 0, {COINS} * 6059::bigint, 0, '', i.id, 50,
               '', '{NOW}'
        FROM issue i
    """)
