-- The rules the database itself keeps, and the two calls of the hot path.

-- 1. Balance: the lines of a transaction arrive in one statement, numbered 1 to line_count, on
--    existing accounts of their unit, and sum to zero in every unit. A statement trigger over the
--    transition table: a trigger per row would be quadratic in the lines of a pool distribution.
CREATE FUNCTION payments_entries_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    bad record;
BEGIN
    SELECT n.transaction_id, n.unit, sum(n.amount) AS rest INTO bad
    FROM inserted n GROUP BY n.transaction_id, n.unit HAVING sum(n.amount) <> 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger: transaction % is unbalanced in % by %',
            bad.transaction_id, bad.unit, bad.rest USING ERRCODE = 'check_violation';
    END IF;

    -- LEFT JOIN: lines that come before their header are refused as well.
    SELECT c.transaction_id AS id, t.line_count INTO bad
    FROM (SELECT transaction_id, count(*) AS lines, min(line) AS low, max(line) AS high
          FROM inserted GROUP BY transaction_id) c
    LEFT JOIN payments_transaction t ON t.id = c.transaction_id
    WHERE t.id IS NULL OR c.lines <> t.line_count OR c.low <> 1 OR c.high <> t.line_count LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger: transaction % must write its lines 1 to % in one statement',
            bad.id, bad.line_count USING ERRCODE = 'check_violation';
    END IF;

    SELECT n.transaction_id, n.line INTO bad FROM inserted n
    WHERE NOT EXISTS (
        SELECT FROM payments_account a WHERE a.id = n.account_id AND a.unit = n.unit) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger: line % of transaction % names no account of its unit',
            bad.line, bad.transaction_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER payments_entry_balanced AFTER INSERT ON payments_entry
    REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION payments_entries_balanced();
ALTER TABLE payments_entry ENABLE ALWAYS TRIGGER payments_entry_balanced;

-- 2. A header has its lines when the database transaction commits.
CREATE FUNCTION payments_transaction_has_lines() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM payments_entry WHERE transaction_id = NEW.id) <> NEW.line_count THEN
        RAISE EXCEPTION 'ledger: transaction % lacks lines', NEW.id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER payments_transaction_has_lines AFTER INSERT ON payments_transaction
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION payments_transaction_has_lines();
ALTER TABLE payments_transaction ENABLE ALWAYS TRIGGER payments_transaction_has_lines;

-- 3. Post: header and all lines. False, and nothing done, when the key is recorded already.
--    Derived accounts are opened when first named; a guarded one exists with its wallet or fails.
CREATE FUNCTION payments_post(
    p_id uuid, p_kind text, p_source_type text, p_source_id text, p_key text, p_hash bytea,
    p_occurred_at timestamptz, p_reverses uuid, p_relates_to uuid, p_fx_rate numeric,
    p_actor text, p_memo text, p_metadata jsonb, p_lines jsonb
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO payments_transaction (
        id, kind, source_type, source_id, idempotency_key, payload_hash, occurred_at, recorded_at,
        line_count, reverses_id, relates_to, fx_rate, actor, memo, metadata)
    VALUES (
        p_id, p_kind, p_source_type, p_source_id, p_key, p_hash, p_occurred_at, clock_timestamp(),
        jsonb_array_length(p_lines), p_reverses, p_relates_to, p_fx_rate, p_actor, p_memo,
        p_metadata)
    ON CONFLICT (idempotency_key) DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;

    INSERT INTO payments_account (code, owner_type, owner_id, unit, type, normal_side, mode)
    SELECT DISTINCT l.code, l.owner_type, l.owner_id, l.unit, l.type, l.normal_side, l.mode
    FROM jsonb_to_recordset(p_lines) AS l(
        code text, owner_type text, owner_id text, unit text, type text, normal_side smallint,
        mode text)
    WHERE l.mode = 'DERIVED' AND NOT EXISTS (
        SELECT FROM payments_account a
        WHERE a.code = l.code AND a.owner_type = l.owner_type AND a.owner_id = l.owner_id
          AND a.unit = l.unit)
    ON CONFLICT (code, owner_type, owner_id, unit) DO NOTHING;

    INSERT INTO payments_entry (transaction_id, line, account_id, unit, amount)
    SELECT p_id, l.line, a.id, a.unit, l.amount
    FROM ROWS FROM (jsonb_to_recordset(p_lines) AS (
        code text, owner_type text, owner_id text, unit text, amount bigint)
    ) WITH ORDINALITY AS l(code, owner_type, owner_id, unit, amount, line)
    JOIN payments_account a
      ON a.code = l.code AND a.owner_type = l.owner_type AND a.owner_id = l.owner_id
     AND a.unit = l.unit;
    RETURN true;
END $$;

-- 4. Burn: lock the wallet, walk its lots in burn order, record the positions used, count.
--    No row, and nothing done, when the lots do not hold enough. The lock is a statement of its
--    own: the walk must read the lots as they are once the lock is held, not as they were before.
CREATE FUNCTION payments_burn(
    p_wallet bigint, p_transaction uuid, p_kind text, p_coins bigint, p_purchased_only boolean,
    p_now timestamptz
) RETURNS TABLE (
    lot_id bigint, origin text, is_purchased boolean, from_coin bigint, to_coin bigint,
    value_micros bigint, purchased_left bigint, promo_left bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM 1 FROM payments_coinbalance WHERE id = p_wallet FOR NO KEY UPDATE;

    RETURN QUERY
    WITH open AS (
        SELECT l.*, l.coins - l.next_coin AS free,
               sum(l.coins - l.next_coin) OVER (
                   ORDER BY l.priority, l.expires_at NULLS LAST, l.id) AS upto
        FROM payments_coinlot l
        WHERE l.wallet_id = p_wallet AND l.next_coin < l.coins AND l.frozen_by = ''
          AND (l.expires_at IS NULL OR l.expires_at > p_now)
          AND (l.is_purchased OR NOT p_purchased_only)
    ), used AS (
        SELECT o.id, o.origin::text AS origin, o.is_purchased, o.next_coin AS from_coin,
               o.next_coin + least(o.free, p_coins - (o.upto - o.free))::bigint AS to_coin,
               o.coins, o.value_micros AS lot_value, o.upto
        FROM open o
        WHERE o.upto - o.free < p_coins
          AND (SELECT max(upto) FROM open) >= p_coins
    ), valued AS (
        SELECT u.*, (div(u.lot_value::numeric * u.to_coin, u.coins)
                   - div(u.lot_value::numeric * u.from_coin, u.coins))::bigint AS released
        FROM used u
    ), moved AS (
        UPDATE payments_coinlot l SET next_coin = v.to_coin FROM valued v WHERE l.id = v.id
    ), recorded AS (
        INSERT INTO payments_lotuse (
            lot_id, transaction_id, kind, from_coin, to_coin, value_micros)
        SELECT v.id, p_transaction, p_kind, v.from_coin, v.to_coin, v.released FROM valued v
    ), paid AS (
        SELECT coalesce(sum(v.to_coin - v.from_coin) FILTER (WHERE v.is_purchased), 0)::bigint
                   AS purchased,
               coalesce(sum(v.to_coin - v.from_coin) FILTER (WHERE NOT v.is_purchased), 0)::bigint
                   AS promo
        FROM valued v HAVING count(*) > 0
    ), counted AS (
        UPDATE payments_coinbalance b
        SET coins = b.coins - p_coins,
            purchased = b.purchased - paid.purchased,
            promo = b.promo - paid.promo,
            lifetime_spent = b.lifetime_spent + CASE p_kind WHEN 'SPEND' THEN p_coins ELSE 0 END,
            lifetime_tipped = b.lifetime_tipped + CASE p_kind WHEN 'TIP' THEN p_coins ELSE 0 END
        FROM paid WHERE b.id = p_wallet
        RETURNING b.purchased AS purchased_left, b.promo AS promo_left
    )
    SELECT v.id, v.origin, v.is_purchased, v.from_coin, v.to_coin, v.released,
           c.purchased_left, c.promo_left
    FROM valued v CROSS JOIN counted c ORDER BY v.upto;
END $$;
