"""Do the earnings add up with the ledger? In the form of ``payments.ledger.invariants``."""

CHECKS = {
    "earnings": """
        SELECT 'transaction ' || coalesce(e.transaction_id, l.transaction_id) || ', writer '
                   || coalesce(e.writer_id, l.owner_id),
               'earnings say ' || coalesce(e.micros, 0) || ' micros, the ledger '
                   || coalesce(l.micros, 0)
        FROM (SELECT transaction_id, writer_id, sum(amount_micros) AS micros
              FROM revenue_earning GROUP BY transaction_id, writer_id) e
        FULL JOIN (SELECT n.transaction_id, a.owner_id, -sum(n.amount) AS micros
                   FROM payments_entry n JOIN payments_account a ON a.id = n.account_id
                   WHERE a.code = 'writer' GROUP BY n.transaction_id, a.owner_id) l
          ON l.transaction_id = e.transaction_id AND l.owner_id = e.writer_id
        WHERE coalesce(e.micros, 0) <> coalesce(l.micros, 0)
    """,
    "reversed earnings": """
        SELECT 'earning ' || r.id,
               'takes back ' || -r.amount_micros || ' of ' || e.amount_micros || ' micros, due '
                   || r.matures_at || ' instead of ' || e.matures_at
        FROM revenue_earning r JOIN revenue_earning e ON e.id = r.reverses_id
        WHERE r.amount_micros <> -e.amount_micros OR r.matures_at <> e.matures_at
           OR r.writer_id <> e.writer_id
    """,
}
