-- Sealing: which transactions wait, the chain over them, and daily sums per account.

-- The accounting day of an event: its own, or the first of the oldest open month when its month is
-- closing or closed. Months close in order, so the month after the newest of those is open.
CREATE FUNCTION payments_accounting_day(p_occurred_at timestamptz) RETURNS date
LANGUAGE sql STABLE AS $$
    SELECT greatest(
        (p_occurred_at AT TIME ZONE 'UTC')::date,
        (SELECT (max(month) + interval '1 month')::date FROM payments_period
         WHERE status <> 'OPEN'))
$$;

-- The database decides on the day itself, so that nobody posts into a closed month.
CREATE FUNCTION payments_transaction_day() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.posted_on := payments_accounting_day(NEW.occurred_at);
    RETURN NEW;
END $$;

CREATE TRIGGER payments_transaction_day BEFORE INSERT ON payments_transaction
    FOR EACH ROW EXECUTE FUNCTION payments_transaction_day();
ALTER TABLE payments_transaction ENABLE ALWAYS TRIGGER payments_transaction_day;

CREATE FUNCTION payments_transaction_waits() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO payments_unsealed (transaction_id) VALUES (NEW.id);
    RETURN NULL;
END $$;

CREATE TRIGGER payments_transaction_waits AFTER INSERT ON payments_transaction
    FOR EACH ROW EXECUTE FUNCTION payments_transaction_waits();
ALTER TABLE payments_transaction ENABLE ALWAYS TRIGGER payments_transaction_waits;

-- What the chain is over: a transaction, its lines, the coins it used and the lots it issued. JSON
-- arrays, so that no separator can be forged; every time in UTC, whatever the session says.
CREATE FUNCTION payments_canonical(t payments_transaction) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_array(
        t.id, t.kind, t.source_type, t.source_id, t.idempotency_key,
        encode(t.payload_hash, 'hex'),
        to_char(t.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'),
        to_char(t.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'),
        t.posted_on::text, t.line_count, t.reverses_id, t.relates_to, t.fx_rate::text, t.actor,
        t.memo, t.metadata,
        (SELECT jsonb_agg(jsonb_build_array(e.line, e.account_id, e.unit, e.amount)
                          ORDER BY e.line)
         FROM payments_entry e WHERE e.transaction_id = t.id),
        (SELECT jsonb_agg(jsonb_build_array(u.lot_id, u.kind, u.from_coin, u.to_coin,
                                            u.value_micros) ORDER BY u.lot_id, u.from_coin)
         FROM payments_lotuse u WHERE u.transaction_id = t.id),
        (SELECT jsonb_agg(jsonb_build_array(l.id, l.wallet_id, l.origin, l.is_purchased, l.coins,
                                            l.value_micros, l.parent_id, l.priority) ORDER BY l.id)
         FROM payments_coinlot l WHERE l.transaction_id = t.id)
    )::text
$$;

-- Link up to p_limit waiting transactions; how many. One sealer at a time: another gets 0. There is
-- no high-water mark: a transaction that commits late is simply sealed later.
CREATE FUNCTION payments_seal_batch(p_limit integer, p_now timestamptz) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    newest bytea;
    n bigint;
    next record;
    sequences bigint[] := '{}';
    ids uuid[] := '{}';
    hashes bytea[] := '{}';
BEGIN
    IF NOT pg_try_advisory_xact_lock(7205759403792793602) THEN
        RETURN 0;
    END IF;
    SELECT s.sequence, s.hash INTO n, newest FROM payments_seal s ORDER BY s.sequence DESC LIMIT 1;
    IF NOT FOUND THEN
        n := 0;
        newest := sha256('legato');
    END IF;
    FOR next IN
        SELECT t.id, sha256(convert_to(payments_canonical(t), 'UTF8')) AS digest
        FROM payments_unsealed u JOIN payments_transaction t ON t.id = u.transaction_id
        ORDER BY t.id LIMIT p_limit
    LOOP
        n := n + 1;
        newest := sha256(newest || next.digest);
        sequences := sequences || n;
        ids := ids || next.id;
        hashes := hashes || newest;
    END LOOP;
    IF cardinality(ids) = 0 THEN
        RETURN 0;
    END IF;
    INSERT INTO payments_seal (sequence, transaction_id, hash, sealed_at)
    SELECT *, p_now FROM unnest(sequences, ids, hashes);
    INSERT INTO payments_accountday AS d (account_id, day, debits, credits, last_sequence)
    SELECT e.account_id, t.posted_on, sum(greatest(e.amount, 0)), sum(greatest(-e.amount, 0)), n
    FROM payments_entry e JOIN payments_transaction t ON t.id = e.transaction_id
    WHERE e.transaction_id = ANY (ids) GROUP BY e.account_id, t.posted_on
    ORDER BY e.account_id, t.posted_on
    ON CONFLICT (account_id, day) DO UPDATE SET
        debits = d.debits + excluded.debits, credits = d.credits + excluded.credits,
        last_sequence = excluded.last_sequence;
    DELETE FROM payments_unsealed WHERE transaction_id = ANY (ids);
    RETURN cardinality(ids);
END $$;

-- Walk the chain from its first link: every link that is not what it should be.
CREATE FUNCTION payments_verify_chain() RETURNS TABLE (
    sequence bigint, transaction_id uuid, problem text
) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    link record;
    before bytea := sha256('legato');
    expected bigint := 1;
BEGIN
    FOR link IN
        SELECT s.sequence, s.transaction_id, s.hash, t.id AS found,
               sha256(convert_to(payments_canonical(t), 'UTF8')) AS digest
        FROM payments_seal s LEFT JOIN payments_transaction t ON t.id = s.transaction_id
        ORDER BY s.sequence
    LOOP
        IF link.sequence <> expected THEN
            RETURN QUERY SELECT link.sequence, link.transaction_id,
                format('the chain goes from %s to %s', expected - 1, link.sequence);
        ELSIF link.found IS NULL THEN
            RETURN QUERY SELECT link.sequence, link.transaction_id,
                'the sealed transaction is gone';
        ELSIF link.hash <> sha256(before || link.digest) THEN
            RETURN QUERY SELECT link.sequence, link.transaction_id,
                'the transaction, its lines, coins or lots differ from what was sealed';
        END IF;
        -- Go on from what is stored: one changed row is one finding, not all that follow.
        before := link.hash;
        expected := link.sequence + 1;
    END LOOP;
END $$;

-- The audit log's chain. Entries are few, so those without a seal are found by looking for them.
CREATE FUNCTION payments_audit_canonical(a payments_auditentry) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_array(
        a.id, to_char(a.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), a.actor,
        a.action, a.object_type, a.object_id, a.before, a.after, a.reason, a.request_id)::text
$$;

CREATE FUNCTION payments_seal_audit(p_limit integer, p_now timestamptz) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    newest bytea;
    n bigint;
    next record;
    done integer := 0;
BEGIN
    IF NOT pg_try_advisory_xact_lock(7205759403792793603) THEN
        RETURN 0;
    END IF;
    SELECT s.sequence, s.hash INTO n, newest
    FROM payments_auditseal s ORDER BY s.sequence DESC LIMIT 1;
    IF NOT FOUND THEN
        n := 0;
        newest := sha256('legato audit');
    END IF;
    FOR next IN
        SELECT a.id, sha256(convert_to(payments_audit_canonical(a), 'UTF8')) AS digest
        FROM payments_auditentry a
        WHERE NOT EXISTS (SELECT FROM payments_auditseal s WHERE s.entry_id = a.id)
        ORDER BY a.id LIMIT p_limit
    LOOP
        n := n + 1;
        newest := sha256(newest || next.digest);
        INSERT INTO payments_auditseal (sequence, entry_id, hash, sealed_at)
        VALUES (n, next.id, newest, p_now);
        done := done + 1;
    END LOOP;
    RETURN done;
END $$;

CREATE FUNCTION payments_verify_audit_chain() RETURNS TABLE (
    sequence bigint, entry_id uuid, problem text
) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    link record;
    before bytea := sha256('legato audit');
    expected bigint := 1;
BEGIN
    FOR link IN
        SELECT s.sequence, s.entry_id, s.hash, a.id AS found,
               sha256(convert_to(payments_audit_canonical(a), 'UTF8')) AS digest
        FROM payments_auditseal s LEFT JOIN payments_auditentry a ON a.id = s.entry_id
        ORDER BY s.sequence
    LOOP
        IF link.sequence <> expected THEN
            RETURN QUERY SELECT link.sequence, link.entry_id,
                format('the chain goes from %s to %s', expected - 1, link.sequence);
        ELSIF link.found IS NULL THEN
            RETURN QUERY SELECT link.sequence, link.entry_id, 'the sealed entry is gone';
        ELSIF link.hash <> sha256(before || link.digest) THEN
            RETURN QUERY SELECT link.sequence, link.entry_id,
                'the entry differs from what was sealed';
        END IF;
        before := link.hash;
        expected := link.sequence + 1;
    END LOOP;
END $$;
