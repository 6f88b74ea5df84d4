"""Does everything add up? Each check is one set-based query that returns what does not.

``manage.py verify_ledger`` runs them all; the live ones are also metrics.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.db import connection

from payments.ledger import money_back_checks

CHECKS: dict[str, str] = {
    "chain": """
        SELECT 'seal ' || sequence || ', transaction ' || coalesce(transaction_id::text, '?'),
               problem
        FROM payments_verify_chain()
    """,
    "audit chain": """
        SELECT 'audit seal ' || sequence || ', entry ' || entry_id, problem
        FROM payments_verify_audit_chain()
    """,
    "unsealed": """
        SELECT 'transaction ' || t.id,
               CASE WHEN s.sequence IS NULL THEN 'is neither sealed nor waiting for it'
                    ELSE 'is sealed and still waiting for it' END
        FROM payments_transaction t
        LEFT JOIN payments_seal s ON s.transaction_id = t.id
        LEFT JOIN payments_unsealed u ON u.transaction_id = t.id
        WHERE (s.sequence IS NULL) = (u.transaction_id IS NULL)
    """,
    "balance": """
        SELECT 'transaction ' || transaction_id, unit || ' is off by ' || sum(amount)
        FROM payments_entry GROUP BY transaction_id, unit HAVING sum(amount) <> 0
    """,
    "lines": """
        SELECT 'transaction ' || t.id,
               'has ' || count(e.id) || ' of ' || t.line_count || ' lines'
        FROM payments_transaction t LEFT JOIN payments_entry e ON e.transaction_id = t.id
        GROUP BY t.id, t.line_count
        HAVING count(e.id) <> t.line_count OR min(e.line) <> 1 OR max(e.line) <> t.line_count
    """,
    "orphans": """
        SELECT 'entry ' || e.id,
               CASE WHEN t.id IS NULL THEN 'belongs to no transaction'
                    ELSE 'is on no account of its unit' END
        FROM payments_entry e
        LEFT JOIN payments_transaction t ON t.id = e.transaction_id
        LEFT JOIN payments_account a ON a.id = e.account_id AND a.unit = e.unit
        WHERE t.id IS NULL OR a.id IS NULL
    """,
    "days": """
        SELECT 'account ' || coalesce(d.account_id, s.account_id) || ', '
                   || coalesce(d.day, s.day),
               'stored ' || coalesce(d.debits, 0) || ' / ' || coalesce(d.credits, 0)
                   || ', entries say ' || coalesce(s.debits, 0) || ' / ' || coalesce(s.credits, 0)
        FROM payments_accountday d
        FULL JOIN (
            SELECT e.account_id, t.posted_on AS day, sum(greatest(e.amount, 0)) AS debits,
                   sum(greatest(-e.amount, 0)) AS credits
            FROM payments_entry e JOIN payments_transaction t ON t.id = e.transaction_id
            JOIN payments_seal l ON l.transaction_id = t.id
            GROUP BY e.account_id, t.posted_on
        ) s ON s.account_id = d.account_id AND s.day = d.day
        WHERE d.debits IS DISTINCT FROM s.debits OR d.credits IS DISTINCT FROM s.credits
    """,
    "wallets": """
        SELECT 'wallet of ' || w.user_id,
               'holds ' || w.coins + w.held || ' coins, its entries say ' || coalesce(e.coins, 0)
                   || ', its lots ' || coalesce(l.coins, 0)
        FROM payments_coinbalance w
        LEFT JOIN (SELECT account_id, -sum(amount) AS coins FROM payments_entry
                   WHERE unit = 'COIN' GROUP BY account_id) e ON e.account_id = w.account_id
        LEFT JOIN (SELECT wallet_id, sum(coins - next_coin) AS coins,
                          sum(coins - next_coin) FILTER (WHERE is_purchased AND frozen_by = '')
                              AS purchased,
                          sum(coins - next_coin) FILTER (WHERE NOT is_purchased AND frozen_by = '')
                              AS promo
                   FROM payments_coinlot GROUP BY wallet_id) l ON l.wallet_id = w.id
        WHERE w.coins + w.held <> coalesce(e.coins, 0) OR w.coins + w.held <> coalesce(l.coins, 0)
           OR w.purchased <> coalesce(l.purchased, 0) OR w.promo <> coalesce(l.promo, 0)
    """,
    "lots": """
        SELECT 'lot ' || l.id,
               'used up to coin ' || l.next_coin || ', its uses cover ' || coalesce(u.covered, 0)
        FROM payments_coinlot l
        LEFT JOIN (SELECT lot_id, sum(to_coin - from_coin) AS covered, max(to_coin) AS last
                   FROM payments_lotuse GROUP BY lot_id) u ON u.lot_id = l.id
        WHERE l.next_coin <> coalesce(u.covered, 0) OR l.next_coin <> coalesce(u.last, 0)
    """,
    "positions": """
        SELECT 'lot ' || u.lot_id || ', coins ' || u.from_coin || ' to ' || u.to_coin,
               'released ' || u.value_micros || ' micros, by position it is '
                   || div(l.value_micros::numeric * u.to_coin, l.coins)
                    - div(l.value_micros::numeric * u.from_coin, l.coins)
        FROM payments_lotuse u JOIN payments_coinlot l ON l.id = u.lot_id
        WHERE u.value_micros <> div(l.value_micros::numeric * u.to_coin, l.coins)
                              - div(l.value_micros::numeric * u.from_coin, l.coins)
    """,
    "coins_deferred": """
        SELECT 'account coins_deferred', 'owes ' || e.owed || ' micros, unused coins are worth '
                   || l.worth
        FROM (SELECT coalesce(-sum(e.amount), 0) AS owed FROM payments_entry e
              JOIN payments_account a ON a.id = e.account_id WHERE a.code = 'coins_deferred') e,
             (SELECT coalesce(sum(value_micros - div(value_micros::numeric * next_coin, coins)), 0)
                  AS worth FROM payments_coinlot) l
        WHERE e.owed <> l.worth
    """,
    "coins_issued": """
        SELECT 'account coins_issued', 'says ' || e.issued || ' coins, all wallets hold '
                   || w.held
        FROM (SELECT coalesce(sum(e.amount), 0) AS issued FROM payments_entry e
              JOIN payments_account a ON a.id = e.account_id WHERE a.code = 'coins_issued') e,
             (SELECT coalesce(sum(coins + held), 0) AS held FROM payments_coinbalance) w
        WHERE e.issued <> w.held
    """,
    "purchases": """
        SELECT 'purchase ' || p.id,
               'is ' || p.status || ' with ' || p.coins + p.bonus_coins - p.debt_coins
                   || ' coins worth ' || p.value_micros - p.debt_micros || ', its lot has '
                   || coalesce(l.coins, 0) || ' worth ' || coalesce(l.value_micros, 0)
        FROM payments_purchase p
        LEFT JOIN payments_coinlot l ON l.purchase_id = p.id AND l.origin = 'PURCHASE'
        WHERE CASE p.status WHEN 'SUCCEEDED'
                   THEN coalesce(l.coins, 0) <> p.coins + p.bonus_coins - p.debt_coins
                        OR coalesce(l.value_micros, 0) <> p.value_micros - p.debt_micros
                   ELSE l.id IS NOT NULL END
    """,
    "purchase taxes": """
        WITH lines AS (
            SELECT purchase_id, jurisdiction, sum(amount_micros) AS tax
            FROM payments_purchasetaxline GROUP BY purchase_id, jurisdiction
        ), booked AS (
            SELECT p.id AS purchase_id, split_part(a.code, ':', 2) AS jurisdiction,
                   -sum(e.amount) AS tax
            FROM payments_purchase p
            JOIN payments_entry e ON e.transaction_id = p.transaction_id
            JOIN payments_account a ON a.id = e.account_id AND a.code LIKE 'tax_payable:%'
            GROUP BY 1, 2
        )
        SELECT 'purchase ' || p.id, 'has ' || p.tax_micros || ' micros of tax, its lines come to '
                   || coalesce(sum(l.tax), 0)
        FROM payments_purchase p LEFT JOIN lines l ON l.purchase_id = p.id
        GROUP BY p.id HAVING p.tax_micros <> coalesce(sum(l.tax), 0)
        UNION ALL
        SELECT 'purchase ' || p.id, 'owes ' || l.jurisdiction || ' ' || coalesce(l.tax, 0)
                   || ' micros, the books say ' || coalesce(b.tax, 0)
        FROM payments_purchase p
        JOIN lines l ON l.purchase_id = p.id
        LEFT JOIN booked b ON b.purchase_id = p.id AND b.jurisdiction = l.jurisdiction
        WHERE p.status = 'SUCCEEDED' AND l.tax <> coalesce(b.tax, 0)
        UNION ALL
        SELECT 'purchase ' || b.purchase_id, 'books ' || b.tax || ' micros for ' || b.jurisdiction
                   || ' without a line'
        FROM booked b LEFT JOIN lines l USING (purchase_id, jurisdiction)
        WHERE l.tax IS NULL
    """,
    "gateways": """
        SELECT 'purchase ' || p.id,
               'was paid with ' || p.price_micros + p.tax_micros || ' and cost '
                   || coalesce(p.fee_micros, 0) || ', the gateway''s account says '
                   || coalesce(e.paid, 0) || ' and ' || coalesce(e.fee, 0)
        FROM payments_purchase p
        LEFT JOIN (
            SELECT t.source_id, a.code,
                   sum(e.amount) FILTER (WHERE t.kind = 'COIN_PURCHASE') AS paid,
                   -sum(e.amount) FILTER (WHERE t.kind = 'GATEWAY_FEE') AS fee
            FROM payments_transaction t
            JOIN payments_entry e ON e.transaction_id = t.id
            JOIN payments_account a ON a.id = e.account_id AND a.code LIKE 'gateway:%'
            WHERE t.source_type = 'purchase'
            GROUP BY t.source_id, a.code
        ) e ON e.source_id = p.id::text AND e.code = 'gateway:' || lower(p.provider)
        WHERE p.status = 'SUCCEEDED'
          AND (coalesce(e.paid, 0) <> p.price_micros + p.tax_micros
               OR coalesce(e.fee, 0) <> coalesce(p.fee_micros, 0))
    """,
    "corrections": """
        SELECT 'transaction ' || t.id, 'corrects a gateway''s balance and closes no difference'
        FROM payments_transaction t
        LEFT JOIN payments_difference d ON d.transaction_id = t.id
        WHERE t.kind = 'CORRECTION' AND d.id IS NULL
    """,
    "campaigns": """
        SELECT 'campaign ' || c.id,
               'counts ' || c.coins_granted || ' coins, its grants come to '
                   || coalesce(g.coins, 0)
        FROM payments_campaign c
        LEFT JOIN (SELECT campaign_id, sum(coins) AS coins FROM payments_promogrant
                   GROUP BY campaign_id) g ON g.campaign_id = c.id
        WHERE c.coins_granted <> coalesce(g.coins, 0)
    """,
    "settlements": """
        SELECT 'settlement ' || coalesce(s.id::text, b.source_id),
               'is ' || coalesce(s.status, 'unknown') || ' with '
                   || coalesce(s.amount_micros, 0) || ' micros, its transactions moved '
                   || coalesce(b.moved, 0) || ' to the bank'
        FROM payments_settlement s
        FULL JOIN (
            SELECT t.source_id, e.unit, sum(e.amount) AS moved,
                   sum(e.amount) FILTER (WHERE t.kind = 'SETTLEMENT') AS paid,
                   min(t.id::text) FILTER (WHERE t.kind = 'SETTLEMENT') AS paid_by,
                   min(t.id::text) FILTER (WHERE t.kind = 'SETTLEMENT_RETURNED') AS returned_by
            FROM payments_transaction t JOIN payments_entry e ON e.transaction_id = t.id
            JOIN payments_account a ON a.id = e.account_id AND a.code = 'bank'
            WHERE t.kind IN ('SETTLEMENT', 'SETTLEMENT_RETURNED')
            GROUP BY t.source_id, e.unit
        ) b ON b.source_id = s.id::text AND b.unit = s.currency
        WHERE s.id IS NULL
           OR coalesce(b.moved, 0) <> CASE s.status WHEN 'PAID' THEN s.amount_micros ELSE 0 END
           OR coalesce(b.paid, 0)
              <> CASE WHEN s.status IN ('PAID', 'RETURNED') THEN s.amount_micros ELSE 0 END
           OR s.transaction_id::text IS DISTINCT FROM b.paid_by
           OR s.return_transaction_id::text IS DISTINCT FROM b.returned_by
    """,
    "bank": """
        SELECT 'account bank, ' || coalesce(b.unit, s.currency),
               'holds ' || coalesce(b.held, 0) || ' micros, paid settlements come to '
                   || coalesce(s.paid, 0)
        FROM (SELECT e.unit, sum(e.amount) AS held FROM payments_entry e
              JOIN payments_account a ON a.id = e.account_id
              WHERE a.code = 'bank' GROUP BY e.unit) b
        FULL JOIN (SELECT currency, sum(amount_micros) AS paid FROM payments_settlement
                   WHERE status = 'PAID' GROUP BY currency) s ON s.currency = b.unit
        WHERE coalesce(b.held, 0) <> coalesce(s.paid, 0)
    """,
    "periods": """
        SELECT 'period ' || to_char(p.month, 'YYYY-MM') || ', transaction ' || t.id,
               'was sealed as ' || s.sequence || ', after the month closed at ' || p.last_sequence
        FROM payments_period p
        JOIN payments_transaction t
          ON t.posted_on >= p.month AND t.posted_on < p.month + interval '1 month'
        LEFT JOIN payments_seal s ON s.transaction_id = t.id
        WHERE p.status = 'CLOSED' AND (s.sequence IS NULL OR s.sequence > p.last_sequence)
    """,
}
"""By name: SQL that returns (place, problem) for every discrepancy; none is the good answer.

The apps above have checks of their own and ``add`` them.
"""

_added: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One place where the books do not add up."""

    check: str
    place: str
    problem: str


def add(checks: Mapping[str, str]) -> None:
    """Have these checked too, whenever the books are; the same again changes nothing."""
    _added.update(checks)


def checks() -> dict[str, str]:
    """Every check, those of the apps above included."""
    return CHECKS | money_back_checks.CHECKS | _added


def discrepancies() -> Iterator[Discrepancy]:
    """Everything that does not add up, check by check; call it in one snapshot to be exact."""
    for name, sql in checks().items():
        with connection.cursor() as cursor:
            cursor.execute(sql)
            for place, problem in cursor.fetchall():
                yield Discrepancy(name, place, problem)
