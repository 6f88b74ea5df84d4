"""Do refunds, disputes and debts agree with the books? In the form of ``invariants``."""

CHECKS = {
    "refunds in flight": """
        SELECT 'account refund_in_flight, ' || coalesce(r.currency, e.unit),
               'holds ' || coalesce(e.micros, 0) || ' micros, open refunds come to '
                   || coalesce(r.micros, 0)
        FROM (SELECT currency, sum(amount_micros) AS micros FROM payments_refund
              WHERE status IN ('REQUESTED', 'PENDING', 'NEEDS_ATTENTION') GROUP BY currency) r
        FULL JOIN (SELECT e.unit, -sum(e.amount) AS micros FROM payments_entry e
                   JOIN payments_account a ON a.id = e.account_id
                   WHERE a.code = 'refund_in_flight' GROUP BY e.unit) e ON e.unit = r.currency
        WHERE coalesce(e.micros, 0) <> coalesce(r.micros, 0)
    """,
    "refunded": """
        SELECT 'purchase ' || p.id,
               'counts ' || p.refunded_micros || ' micros for ' || p.refunded_value_micros
                   || ' of value as given back, its refunds come to ' || coalesce(r.micros, 0)
                   || ' for ' || coalesce(r.value, 0)
        FROM payments_purchase p
        LEFT JOIN (SELECT r.purchase_id,
                          sum(coalesce(c.refunded_micros, r.amount_micros)) AS micros,
                          sum(coalesce(c.value_micros, r.value_micros)) AS value
                   FROM payments_refund r
                   LEFT JOIN payments_refundclosing c ON c.refund_id = r.id
                        AND c.transaction_id IS NOT NULL AND c.undone_by_id IS NULL
                   WHERE r.status NOT IN ('FAILED', 'CONTRADICTED')
                   GROUP BY r.purchase_id) r ON r.purchase_id = p.id
        WHERE p.refunded_micros <> coalesce(r.micros, 0)
           OR p.refunded_value_micros <> coalesce(r.value, 0)
    """,
    "refund coins": """
        SELECT 'refund ' || r.id,
               'took ' || r.coins || ' coins worth ' || r.value_micros || ', its uses cover '
                   || coalesce(u.coins, 0) || ' worth ' || coalesce(u.value, 0)
        FROM payments_refund r
        LEFT JOIN (SELECT transaction_id, sum(to_coin - from_coin) AS coins,
                          sum(value_micros) AS value
                   FROM payments_lotuse WHERE kind = 'REFUND' GROUP BY transaction_id) u
          ON u.transaction_id = r.transaction_id
        WHERE r.coins <> coalesce(u.coins, 0) OR r.value_micros <> coalesce(u.value, 0)
    """,
    "dispute hold": """
        SELECT 'account dispute_hold, ' || coalesce(d.currency, e.unit),
               'holds ' || coalesce(e.micros, 0) || ' micros, held disputes come to '
                   || coalesce(d.micros, 0)
        FROM (SELECT currency, sum(amount_micros) AS micros FROM payments_dispute
              WHERE booked = 'HELD' GROUP BY currency) d
        FULL JOIN (SELECT e.unit, sum(e.amount) AS micros FROM payments_entry e
                   JOIN payments_account a ON a.id = e.account_id
                   WHERE a.code = 'dispute_hold' GROUP BY e.unit) e ON e.unit = d.currency
        WHERE coalesce(e.micros, 0) <> coalesce(d.micros, 0)
    """,
    "dispute losses": """
        SELECT 'dispute ' || d.id,
               'is booked as ' || lower(d.booked) || ' and has ' || count(l.id)
                   || ' loss in force'
        FROM payments_dispute d
        LEFT JOIN payments_disputeloss l ON l.dispute_id = d.id AND l.undone_by_id IS NULL
        GROUP BY d.id, d.booked HAVING (d.booked = 'LOST') <> (count(l.id) = 1)
    """,
    "frozen coins": """
        SELECT 'lot ' || l.id, 'is frozen by ' || l.frozen_by || ', which is over'
        FROM payments_coinlot l
        LEFT JOIN payments_dispute d ON 'dispute:' || d.id = l.frozen_by
        WHERE l.frozen_by <> '' AND NOT l.is_used_up AND d.booked IS DISTINCT FROM 'HELD'
          AND d.status NOT IN ('NEEDS_RESPONSE', 'UNDER_REVIEW')
    """,
    "debts": """
        SELECT 'reader ' || coalesce(w.user_id, e.owner_id),
               'owes ' || coalesce(w.debt_micros, 0) || ' micros, the ledger says '
                   || coalesce(e.micros, 0)
        FROM payments_coinbalance w
        FULL JOIN (SELECT a.owner_id, sum(e.amount) AS micros FROM payments_entry e
                   JOIN payments_account a ON a.id = e.account_id
                   WHERE a.code = 'receivable:user' GROUP BY a.owner_id) e
          ON e.owner_id = w.user_id
        WHERE coalesce(w.debt_micros, 0) <> coalesce(e.micros, 0)
    """,
    "refund closings": """
        SELECT 'refund ' || r.id,
               'is ' || lower(r.status) || ', its closing took ' || c.coins || ' coins worth '
                   || c.value_micros || ', and the uses cover ' || coalesce(u.coins, 0)
                   || ' worth ' || coalesce(u.value, 0)
        FROM payments_refundclosing c JOIN payments_refund r ON r.id = c.refund_id
        LEFT JOIN (SELECT transaction_id, sum(to_coin - from_coin) AS coins,
                          sum(value_micros) AS value
                   FROM payments_lotuse WHERE kind = 'REFUND' GROUP BY transaction_id) u
          ON u.transaction_id = c.transaction_id
        WHERE c.coins <> coalesce(u.coins, 0) OR c.value_micros <> coalesce(u.value, 0)
           OR (c.transaction_id IS NOT NULL AND c.undone_by_id IS NULL
               AND r.status <> 'SUCCEEDED')
    """,
    "rows of debts": """
        SELECT 'reader ' || w.user_id,
               'owes ' || w.debt_micros || ' micros, open debts come to ' || coalesce(d.open, 0)
                   || ', debts less what covered them to '
                   || coalesce(d.owed, 0) - coalesce(r.covered, 0)
        FROM payments_coinbalance w
        LEFT JOIN (SELECT wallet_id, sum(open_micros) AS open,
                          sum(amount_micros) FILTER (WHERE voided_by_id IS NULL) AS owed
                   FROM payments_debt GROUP BY wallet_id) d ON d.wallet_id = w.id
        LEFT JOIN (SELECT wallet_id, sum(amount_micros - undone_micros) AS covered
                   FROM payments_debtreduction GROUP BY wallet_id) r ON r.wallet_id = w.id
        WHERE w.debt_micros <> coalesce(d.open, 0)
           OR w.debt_micros <> coalesce(d.owed, 0) - coalesce(r.covered, 0)
    """,
    "paid debts": """
        SELECT 'purchase ' || p.id, 'paid ' || p.debt_micros || ' micros of a debt, its row says '
                   || coalesce(r.amount_micros, 0)
        FROM payments_purchase p
        LEFT JOIN payments_debtreduction r ON r.purchase_id = p.id
        WHERE p.debt_micros <> coalesce(r.amount_micros, 0)
    """,
}
