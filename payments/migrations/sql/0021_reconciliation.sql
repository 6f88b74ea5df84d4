-- What holds of differences whatever the code says: none is deleted or reopened, what it is about is
-- never rewritten, and one that is closed changes no more but for the day it was seen last.

CREATE FUNCTION payments_difference_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.provider, NEW.subject, NEW.kind, NEW.key, NEW.day, NEW.first_seen_at)
       IS DISTINCT FROM
       (OLD.id, OLD.provider, OLD.subject, OLD.kind, OLD.key, OLD.day, OLD.first_seen_at) THEN
        RAISE EXCEPTION 'reconciliation: what a difference is about is never rewritten'
            USING ERRCODE = '23514';
    END IF;
    IF OLD.status = 'CLOSED' AND
       to_jsonb(NEW) - 'last_seen_at' IS DISTINCT FROM to_jsonb(OLD) - 'last_seen_at' THEN
        RAISE EXCEPTION 'reconciliation: a closed difference stays as it is'
            USING ERRCODE = '23514', HINT = 'What changed is a new row.';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER payments_difference_guard BEFORE UPDATE ON payments_difference
    FOR EACH ROW EXECUTE FUNCTION payments_difference_guard();
ALTER TABLE payments_difference ENABLE ALWAYS TRIGGER payments_difference_guard;

CREATE TRIGGER payments_difference_no_delete BEFORE DELETE ON payments_difference
    FOR EACH ROW EXECUTE FUNCTION legato_refuse_change();
ALTER TABLE payments_difference ENABLE ALWAYS TRIGGER payments_difference_no_delete;
CREATE TRIGGER payments_difference_no_truncate BEFORE TRUNCATE ON payments_difference
    FOR EACH STATEMENT EXECUTE FUNCTION legato_refuse_change();
ALTER TABLE payments_difference ENABLE ALWAYS TRIGGER payments_difference_no_truncate;

-- A correction stands on a proposal that others agreed to, about this difference and this amount.
-- Looked at when the transaction commits, so that a proposal can be rehearsed and undone.
CREATE FUNCTION payments_difference_approved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.closing = 'ADJUSTED' AND NOT EXISTS (
        SELECT FROM payments_approvalrequest r
        JOIN payments_transaction t ON t.id = NEW.transaction_id
        JOIN payments_entry e ON e.transaction_id = t.id
        JOIN payments_account a ON a.id = e.account_id
        WHERE r.id = NEW.approval_id AND r.status IN ('APPROVED', 'EXECUTED')
          AND r.action = 'payments.correct_gateway' AND r.target_id = NEW.id::text
          AND t.kind = 'CORRECTION' AND a.code = 'gateway:' || lower(NEW.provider)
          AND e.unit = r.payload -> 'after' ->> 'currency'
          AND e.amount = (r.payload -> 'after' ->> 'amount')::numeric * 1000000) THEN
        RAISE EXCEPTION 'approvals: the correction of % is not what was approved', NEW.id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER payments_difference_approved AFTER INSERT OR UPDATE ON payments_difference
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION payments_difference_approved();
ALTER TABLE payments_difference ENABLE ALWAYS TRIGGER payments_difference_approved;
