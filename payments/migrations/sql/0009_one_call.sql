-- What a use case that is one SQL call needs of the ledger: the Python side of it, in SQL. A test
-- compares each of these with its twin on random inputs, so that the rules stay one thing.

-- A moment as payloads write it (payments.outbox.moment): ISO 8601, UTC, with Z.
CREATE FUNCTION legato_moment(p_at timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT to_char(p_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')
        || CASE WHEN extract(microseconds FROM p_at)::bigint % 1000000 = 0 THEN ''
                ELSE to_char(p_at AT TIME ZONE 'UTC', '.US') END || 'Z'
$$;

-- An amount not below zero as the API writes it (lib.money.Money.amount): at least two digits after
-- the point, at most six.
CREATE FUNCTION legato_amount(p_micros bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT p_micros / 1000000 || '.'
        || rpad(rtrim(lpad((p_micros % 1000000)::text, 6, '0'), '0'), greatest(
               2, length(rtrim(lpad((p_micros % 1000000)::text, 6, '0'), '0'))), '0')
$$;

-- Coins taken out of a wallet: one element per lot, in burn order, and what they come to.
CREATE TYPE payments_burned AS (
    lots bigint[], origins text[], are_purchased boolean[], from_coins bigint[],
    to_coins bigint[], micros bigint[],
    value_micros bigint, promo_coins bigint, purchased_left bigint, promo_left bigint
);

-- Burn from a wallet that is locked: walk its lots in burn order, record the positions used, count.
-- NULL, and nothing done, when the lots do not hold enough. A loop and not one statement: nearly
-- every burn uses one lot or two, and planning for any number costs more than those.
CREATE FUNCTION payments_take(
    p_wallet bigint, p_transaction uuid, p_kind text, p_coins bigint, p_purchased_only boolean,
    p_now timestamptz
) RETURNS payments_burned LANGUAGE plpgsql AS $$
DECLARE
    lot record;
    burned payments_burned;
    rest bigint := p_coins;
    upto bigint;
    released bigint;
BEGIN
    burned.value_micros := 0;
    burned.promo_coins := 0;
    FOR lot IN
        SELECT l.id, l.origin::text AS origin, l.is_purchased, l.coins, l.next_coin, l.value_micros
        FROM payments_coinlot l
        WHERE l.wallet_id = p_wallet AND NOT l.is_used_up AND l.frozen_by = ''
          AND (l.expires_at IS NULL OR l.expires_at > p_now)
          AND (l.is_purchased OR NOT p_purchased_only)
        ORDER BY l.priority, l.expires_at NULLS LAST, l.id
    LOOP
        upto := least(lot.coins, lot.next_coin + rest);
        released := div(lot.value_micros::numeric * upto, lot.coins)
                  - div(lot.value_micros::numeric * lot.next_coin, lot.coins);
        burned.lots := burned.lots || lot.id;
        burned.origins := burned.origins || lot.origin;
        burned.are_purchased := burned.are_purchased || lot.is_purchased;
        burned.from_coins := burned.from_coins || lot.next_coin;
        burned.to_coins := burned.to_coins || upto;
        burned.micros := burned.micros || released;
        burned.value_micros := burned.value_micros + released;
        IF NOT lot.is_purchased THEN
            burned.promo_coins := burned.promo_coins + upto - lot.next_coin;
        END IF;
        rest := rest - (upto - lot.next_coin);
        EXIT WHEN rest = 0;
    END LOOP;
    IF rest > 0 THEN
        RETURN NULL;
    END IF;

    FOR i IN 1 .. cardinality(burned.lots) LOOP
        UPDATE payments_coinlot SET next_coin = burned.to_coins[i] WHERE id = burned.lots[i];
        INSERT INTO payments_lotuse (
            lot_id, transaction_id, kind, from_coin, to_coin, value_micros)
        VALUES (burned.lots[i], p_transaction, p_kind, burned.from_coins[i], burned.to_coins[i],
                burned.micros[i]);
    END LOOP;
    UPDATE payments_coinbalance b
    SET coins = b.coins - p_coins,
        purchased = b.purchased - (p_coins - burned.promo_coins),
        promo = b.promo - burned.promo_coins,
        lifetime_spent = b.lifetime_spent + CASE p_kind WHEN 'SPEND' THEN p_coins ELSE 0 END,
        lifetime_tipped = b.lifetime_tipped + CASE p_kind WHEN 'TIP' THEN p_coins ELSE 0 END
    WHERE b.id = p_wallet
    RETURNING b.purchased, b.promo INTO burned.purchased_left, burned.promo_left;
    RETURN burned;
END $$;

-- Lock, then burn; a row per lot. The lock is a statement of its own: the walk must read the lots as
-- they are once the lock is held, not as they were before.
CREATE OR REPLACE FUNCTION payments_burn(
    p_wallet bigint, p_transaction uuid, p_kind text, p_coins bigint, p_purchased_only boolean,
    p_now timestamptz
) RETURNS TABLE (
    lot_id bigint, origin text, is_purchased boolean, from_coin bigint, to_coin bigint,
    value_micros bigint, purchased_left bigint, promo_left bigint
) LANGUAGE plpgsql AS $$
DECLARE
    burned payments_burned;
BEGIN
    PERFORM 1 FROM payments_coinbalance WHERE id = p_wallet FOR NO KEY UPDATE;
    burned := payments_take(p_wallet, p_transaction, p_kind, p_coins, p_purchased_only, p_now);
    RETURN QUERY
    SELECT *, burned.purchased_left, burned.promo_left
    FROM unnest(burned.lots, burned.origins, burned.are_purchased, burned.from_coins,
                burned.to_coins, burned.micros);
END $$;

-- The account of a name, opened when first named, as payments_post opens those of its lines. The
-- chart (payments.ledger.chart) says its type and side; a test compares.
CREATE FUNCTION payments_account_id(
    p_code text, p_owner_type text, p_owner_id text, p_unit text, p_type text, p_side integer
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    found bigint;
BEGIN
    SELECT a.id INTO found FROM payments_account a
    WHERE a.code = p_code AND a.owner_type = p_owner_type AND a.owner_id = p_owner_id
      AND a.unit = p_unit;
    IF found IS NULL THEN
        INSERT INTO payments_account (code, owner_type, owner_id, unit, type, normal_side, mode)
        VALUES (p_code, p_owner_type, p_owner_id, p_unit, p_type, p_side, 'DERIVED')
        ON CONFLICT (code, owner_type, owner_id, unit) DO NOTHING;
        SELECT a.id INTO found FROM payments_account a
        WHERE a.code = p_code AND a.owner_type = p_owner_type AND a.owner_id = p_owner_id
          AND a.unit = p_unit;
    END IF;
    RETURN found;
END $$;

-- Post lines that SQL has made, each given by the elements at its place. Lines of zero are left
-- out, as the templates do. A key that is recorded already is an error, which rolls everything back.
--
-- The digest is that of payments.ledger.posting. What it quotes is ours or an id of the platform's
-- alphabet, so there is nothing to escape.
CREATE FUNCTION payments_post_lines(
    p_id uuid, p_kind text, p_source_type text, p_source_id text, p_key text,
    p_occurred_at timestamptz, p_actor text, p_metadata jsonb,
    p_codes text[], p_owners text[], p_units text[], p_amounts bigint[], p_accounts bigint[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    accounts bigint[];
    units text[];
    amounts bigint[];
    posted text := '';
BEGIN
    FOR i IN 1 .. cardinality(p_amounts) LOOP
        CONTINUE WHEN p_amounts[i] = 0;
        accounts := accounts || p_accounts[i];
        units := units || p_units[i];
        amounts := amounts || p_amounts[i];
        posted := posted || ',["' || p_codes[i] || '","' || p_owners[i] || '","' || p_units[i]
            || '",' || p_amounts[i] || ']';
    END LOOP;
    posted := '{"kind":"' || p_kind || '","source":["' || p_source_type || '","' || p_source_id
        || '"],"occurred_at":"' || rtrim(legato_moment(p_occurred_at), 'Z')
        || '+00:00","lines":[' || substr(posted, 2) || ']}';

    INSERT INTO payments_transaction (
        id, kind, source_type, source_id, idempotency_key, payload_hash, occurred_at, recorded_at,
        line_count, actor, memo, metadata)
    VALUES (
        p_id, p_kind, p_source_type, p_source_id, p_key, sha256(convert_to(posted, 'UTF8')),
        p_occurred_at, clock_timestamp(), cardinality(amounts), p_actor, '', p_metadata);
    INSERT INTO payments_entry (transaction_id, line, account_id, unit, amount)
    SELECT p_id, l.line, l.account, l.unit, l.amount
    FROM unnest(accounts, units, amounts) WITH ORDINALITY AS l(account, unit, amount, line);
END $$;

-- The balance of a transaction's lines, looked at in one statement; what is wrong is only looked for
-- when something is.
CREATE OR REPLACE FUNCTION payments_entries_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    bad record;
BEGIN
    IF NOT EXISTS (
        SELECT FROM inserted n GROUP BY n.transaction_id, n.unit HAVING sum(n.amount) <> 0
    ) AND NOT EXISTS (
        SELECT FROM inserted n LEFT JOIN payments_transaction t ON t.id = n.transaction_id
        GROUP BY t.id
        HAVING t.id IS NULL OR count(*) <> min(t.line_count) OR min(n.line) <> 1
            OR max(n.line) <> min(t.line_count)
    ) AND NOT EXISTS (
        SELECT FROM inserted n
        LEFT JOIN payments_account a ON a.id = n.account_id AND a.unit = n.unit WHERE a.id IS NULL
    ) THEN
        RETURN NULL;
    END IF;

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
    RAISE EXCEPTION 'ledger: line % of transaction % names no account of its unit',
        bad.line, bad.transaction_id USING ERRCODE = 'check_violation';
END $$;

-- The id of the n-th event of a transaction: a uuid7 of the transaction's own millisecond, so that
-- the events of one transaction sort in the order they are told in.
CREATE FUNCTION payments_event_id(p_transaction uuid, p_n integer) RETURNS uuid
LANGUAGE sql VOLATILE AS $$
    SELECT encode(
        substring(uuid_send(p_transaction) FOR 6) || set_byte(set_byte(
            substring(uuid_send(gen_random_uuid()) FROM 7), 0, 112 | (p_n >> 8)), 1, p_n & 255),
        'hex')::uuid
$$;
