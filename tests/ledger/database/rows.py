"""Rows as SQL: those that every proof starts from, and those that it tries to add."""

T1 = "01930000-0000-7000-8000-0000000000a1"
T2 = "01930000-0000-7000-8000-0000000000a2"

# One transaction, a row of everything that can hang on one, and the accounts.
SEED = f"""
INSERT INTO payments_account (id, code, owner_type, owner_id, unit, type, normal_side, mode) VALUES
    (901, 'wallet', 'USER', 'reader', 'COIN', 'LIABILITY', -1, 'GUARDED'),
    (902, 'coins_issued', 'PLATFORM', '', 'COIN', 'POSITION', 1, 'DERIVED'),
    (903, 'coins_deferred', 'PLATFORM', '', 'USD', 'LIABILITY', -1, 'DERIVED'),
    (904, 'writer', 'WRITER', 'writer', 'USD', 'LIABILITY', -1, 'DERIVED');
INSERT INTO payments_coinbalance (
    id, user_id, account_id, coins, purchased, promo, held, lifetime_purchased, lifetime_bonus,
    lifetime_spent, lifetime_tipped, lifetime_received, lifetime_refunded, lifetime_expired)
VALUES (901, 'reader', 901, 90, 90, 0, 0, 100, 0, 10, 0, 0, 0, 0);
INSERT INTO payments_transaction (
    id, kind, source_type, source_id, idempotency_key, payload_hash, occurred_at, recorded_at,
    line_count, actor, memo, metadata)
VALUES ('{T1}', 'TIP', 'tip', '1', 'tip:1', '', now(), now(), 4, 'system:x', '', '{{}}');
INSERT INTO payments_entry (transaction_id, line, account_id, unit, amount) VALUES
    ('{T1}', 1, 901, 'COIN', 10), ('{T1}', 2, 902, 'COIN', -10),
    ('{T1}', 3, 903, 'USD', 600), ('{T1}', 4, 904, 'USD', -600);
INSERT INTO payments_coinlot (
    id, wallet_id, origin, is_purchased, coins, next_coin, value_micros, paid_micros, paid_unit,
    transaction_id, priority, frozen_by, created_at)
VALUES (901, 901, 'PURCHASE', true, 100, 10, 6000, 6000, 'USD', '{T1}', 50, '', now());
INSERT INTO payments_lotuse (id, lot_id, transaction_id, kind, from_coin, to_coin, value_micros)
VALUES (901, 901, '{T1}', 'TIP', 0, 10, 600);
INSERT INTO payments_auditentry (
    id, occurred_at, actor, action, object_type, object_id, reason, request_id)
VALUES ('{T1}', now(), 'staff:7', 'payments.package.changed', 'package', '1', '', '');
INSERT INTO revenue_writer (writer_id, first_seen_at, level, country)
VALUES ('writer', now(), 'STANDARD', '');
INSERT INTO revenue_earning (
    id, transaction_id, writer_id, stream, content_id, amount_micros, coins, promo_coins, rule_id,
    rate_bps, share_bps, reader_country, occurred_at, matures_at)
VALUES (901, '{T1}', 'writer', 'TIP', '', 600, 10, 0, 1, 7000, 10000, '', now(), now());
INSERT INTO payments_campaign (
    id, name, budget_coins, coins_granted, value_per_coin_micros, expires_after_days,
    per_user_coins, starts_at, ends_at, created_at, created_by)
VALUES ('{T1}', 'Winter', 100, 10, 0, 90, 10, now(), now() + interval '1 day', now(), 'system:x');
INSERT INTO payments_promogrant (
    id, campaign_id, user_id, coins, transaction_id, granted_at, granted_by)
VALUES ('{T1}', '{T1}', 'reader', 10, '{T1}', now(), 'staff:7');
INSERT INTO payments_approvalrequest (
    id, action, target_type, target_id, summary, payload, payload_hash, currency, maker, reason,
    needed, status, created_at, expires_at, error, attempts)
VALUES ('{T1}', 'payments.adjust_wallet', 'user', 'reader', '', '{{"after": {{"coins": -1}}}}',
        'hash', '', 'staff:7', '', 1, 'PENDING', now(), now() + interval '1 day', '', 0);
INSERT INTO payments_approvaldecision (
    request_id, maker, decided_by, word, payload_hash, reason, decided_at)
VALUES ('{T1}', 'staff:7', 'staff:8', 'APPROVE', 'hash', '', now());
UPDATE payments_approvalrequest SET status = 'APPROVED';
INSERT INTO payments_adjustment (
    id, user_id, coins, value_micros, reason, approval_id, transaction_id, adjusted_at)
VALUES ('{T1}', 'reader', -1, -60, '', '{T1}', '{T1}', now());
INSERT INTO payments_bankstatement (
    id, name, form, content, sha256, account, currency, line_count, duplicates, imported_at,
    imported_by)
VALUES ('{T1}', 'november.csv', 'CSV', '', 'digest', '', 'USD', 0, '[]', now(), 'staff:7');
INSERT INTO access_content (
    content_id, title, price_coins, is_free, is_published, required_tier, series_id, created_at,
    updated_at)
VALUES ('chapter', 'A chapter', 10, false, true, '', '', now(), now());
INSERT INTO access_entitlement (
    id, user_id, content_id, ground, transaction_id, coins, granted_at, revoked_at)
VALUES ('{T1}', 'reader', 'chapter', 'PURCHASED', '{T1}', 10, now(), now());
INSERT INTO access_contentrefund (
    id, entitlement_id, transaction_id, reason, read_percent, refunded_at, refunded_by)
VALUES ('{T1}', '{T1}', '{T1}', '', 0, now(), 'user:reader');
INSERT INTO access_coingift (
    id, sender_id, recipient_id, coins, message, transaction_id, given_at)
VALUES ('{T1}', 'reader', 'friend', 10, '', '{T1}', now());
INSERT INTO access_tip (
    id, sender_id, recipient_id, content_id, coins, message, transaction_id, sent_at)
VALUES ('{T1}', 'reader', 'writer', '', 10, 'Bravo', '{T1}', now());
INSERT INTO payments_taxrule (
    id, code, jurisdiction, owed_to, subject, kind, payer, payee_residence, payee_country,
    payee_type, form_on_file, item, domestic_source_only, tax_name, rate_ppm, threshold_currency,
    threshold_basis, form, effective_from, is_active, certainty, source, note, created_at,
    created_by, reason)
VALUES (901, 'NG-R', 'NG', 'NG', 'READER', 'COLLECT', 'REGISTERED', '', '', '', '',
        'DIGITAL_CONTENT', false, 'VAT', 75000, '', '', '', now(), true, 'H', 'law', '', now(),
        'staff:7', '');
INSERT INTO payments_taxregistration (
    id, jurisdiction, is_registered, number, is_inclusive, valid_from, created_at, created_by,
    reason)
VALUES (901, 'NG', true, '1', false, now(), now(), 'staff:7', '');
INSERT INTO payments_purchase (
    id, user_id, coins, bonus_coins, currency, price_micros, tax_micros, value_micros, country,
    region, evidence, evidence_conflicts, tax_ground, tax_reference, return_url, provider,
    reference, gateway_id, status, failure_code, quarantine_reason, created_at, expires_at,
    attempts)
VALUES ('{T1}', 'reader', 100, 0, 'USD', 6000, 450, 6000, 'NG', '', '[]', false, 'TAXED', '', '',
        'SANDBOX', 'lp1', '', 'PENDING', '', '', now(), now(), 0);
INSERT INTO payments_purchasetaxline (
    id, purchase_id, jurisdiction, name, rate_ppm, amount_micros, currency, is_inclusive, number,
    rule_id)
VALUES (901, '{T1}', 'NG', 'VAT', 75000, 450, 'USD', false, '1', 901);
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;
"""

HEADER = """
INSERT INTO payments_transaction (
    id, kind, source_type, source_id, idempotency_key, payload_hash, occurred_at, recorded_at,
    line_count, reverses_id, actor, memo, metadata)
VALUES ('{id}', 'TIP', 'tip', '2', '{key}', '', now(), now(), {lines}, {reverses}, 'x', '', '{{}}');
"""


COIN_IN, COIN_OUT = (1, 901, "COIN", 5), (2, 902, "COIN", -5)
"""Two lines that balance, for ``entries``."""


def header(lines: int = 2, *, key: str = "tip:2", reverses: str = "NULL") -> str:
    """The header of a second transaction."""
    return HEADER.format(id=T2, key=key, lines=lines, reverses=reverses)


def entries(*lines: tuple[int, int, str, int]) -> str:
    """Entries of the second transaction: line, account, unit, amount."""
    rows = ", ".join(f"('{T2}', {n}, {account}, '{u}', {m})" for n, account, u, m in lines)
    return (
        "INSERT INTO payments_entry (transaction_id, line, account_id, unit, amount) "
        f"VALUES {rows};"
    )


def lot(**changes: object) -> str:
    """A second lot like the first, but for the changes."""
    columns = {
        "id": 902, "wallet_id": 901, "origin": "'PURCHASE'", "is_purchased": True, "coins": 100,
        "next_coin": 0, "value_micros": 6000, "paid_micros": 0, "paid_unit": "''",
        "transaction_id": f"'{T1}'", "priority": 50, "frozen_by": "''", "created_at": "now()",
        "expires_at": "NULL", **changes,
    }  # fmt: skip
    names, values = ", ".join(columns), ", ".join(str(value) for value in columns.values())
    return f"INSERT INTO payments_coinlot ({names}) VALUES ({values});"


def use(start: int, end: int, *, lot_id: int = 901, value: int = 0) -> str:
    """Coins of a lot used once more."""
    return (
        "INSERT INTO payments_lotuse (lot_id, transaction_id, kind, from_coin, to_coin, "
        f"value_micros) VALUES ({lot_id}, '{T1}', 'TIP', {start}, {end}, {value});"
    )
