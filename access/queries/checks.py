"""Do rights, tips, gifts and refunds agree with the books? As ``payments.ledger.invariants``."""

# Coins that a transaction took out of a reader's wallet.
_PAID = """(
    SELECT t.id, t.kind, a.owner_id AS user_id, sum(e.amount) AS coins,
           EXISTS (SELECT FROM payments_transaction r WHERE r.reverses_id = t.id) AS is_reversed
    FROM payments_transaction t
    JOIN payments_entry e ON e.transaction_id = t.id AND e.unit = 'COIN' AND e.amount > 0
    JOIN payments_account a ON a.id = e.account_id AND a.code = 'wallet'
    GROUP BY t.id, t.kind, a.owner_id
)"""

CHECKS = {
    "rights": f"""
        SELECT 'right ' || coalesce(r.id::text, 'of transaction ' || p.id),
               CASE WHEN r.id IS NULL THEN 'was paid for and is missing'
                    WHEN p.id IS NULL THEN 'was paid for by no such transaction'
                    WHEN r.coins <> p.coins
                    THEN 'says ' || r.coins || ' coins, its transaction took ' || p.coins
                    ELSE 'is in force, its transaction was taken back' END
        FROM (SELECT * FROM access_entitlement WHERE ground = 'PURCHASED') r
        FULL JOIN (SELECT * FROM {_PAID} x WHERE x.kind = 'CONTENT_PURCHASE') p
          ON p.id = r.transaction_id AND p.user_id = r.user_id
        WHERE r.id IS NULL OR p.id IS NULL OR r.coins <> p.coins
           OR (p.is_reversed AND r.revoked_at IS NULL)
    """,  # noqa: S608 - a constant of ours
    "tips": f"""
        SELECT 'tip ' || coalesce(r.id::text, 'of transaction ' || p.id),
               'says ' || coalesce(r.coins, 0) || ' coins, its transaction '
                   || coalesce(p.coins, 0)
        FROM access_tip r
        FULL JOIN (SELECT * FROM {_PAID} x WHERE x.kind = 'TIP') p
          ON p.id = r.transaction_id AND p.user_id = r.sender_id
        WHERE r.coins IS DISTINCT FROM p.coins
    """,  # noqa: S608 - a constant of ours
    "gifts": f"""
        SELECT 'gift ' || coalesce(r.id::text, 'of transaction ' || p.id),
               'says ' || coalesce(r.coins, 0) || ' coins, its transaction '
                   || coalesce(p.coins, 0)
        FROM access_coingift r
        FULL JOIN (SELECT * FROM {_PAID} x WHERE x.kind = 'COIN_TRANSFER') p
          ON p.id = r.transaction_id AND p.user_id = r.sender_id
        WHERE r.coins IS DISTINCT FROM p.coins
    """,  # noqa: S608 - a constant of ours
    "content refunds": """
        SELECT 'refund ' || f.id, 'its transaction takes back another purchase'
        FROM access_contentrefund f
        JOIN access_entitlement r ON r.id = f.entitlement_id
        JOIN payments_transaction t ON t.id = f.transaction_id
        WHERE t.reverses_id IS DISTINCT FROM r.transaction_id OR r.revoked_at IS NULL
    """,
}
