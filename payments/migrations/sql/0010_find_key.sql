-- The row of an idempotency key, which nobody else works on until this transaction ends. The lock
-- only keeps twins from waiting on each other; the unique constraint is the guard. Two statements of
-- one call: the second reads with a snapshot that is younger than the lock.
CREATE FUNCTION payments_find_key(
    p_scope text, p_key text, p_lock bigint, OUT is_ours boolean, OUT kept payments_idempotencykey
) LANGUAGE plpgsql AS $$
BEGIN
    is_ours := pg_try_advisory_xact_lock(p_lock);
    IF is_ours THEN
        SELECT * INTO kept FROM payments_idempotencykey k WHERE k.scope = p_scope AND k.key = p_key;
    END IF;
END $$;
