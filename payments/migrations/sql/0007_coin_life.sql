-- An adjustment stands on a proposal that others agreed to: the same wallet and coins and, of coins
-- given, the same value. Looked at when the transaction commits, so that a proposal can be rehearsed
-- and undone.
CREATE FUNCTION payments_adjustment_approved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM payments_approvalrequest r
        WHERE r.id = NEW.approval_id AND r.status IN ('APPROVED', 'EXECUTED')
          AND r.action = 'payments.adjust_wallet' AND r.target_id = NEW.user_id
          AND (r.payload -> 'after' ->> 'coins')::bigint = NEW.coins
          AND (NEW.coins < 0
               OR (r.payload -> 'after' ->> 'value')::numeric * 1000000 = NEW.value_micros)) THEN
        RAISE EXCEPTION 'approvals: adjustment % is not what was approved', NEW.id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER payments_adjustment_approved AFTER INSERT OR UPDATE ON payments_adjustment
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION payments_adjustment_approved();
ALTER TABLE payments_adjustment ENABLE ALWAYS TRIGGER payments_adjustment_approved;
