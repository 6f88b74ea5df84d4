-- A write-off stands on a proposal that others agreed to: the same reader and amount. Looked at when
-- the transaction commits, so that a proposal can be rehearsed and undone.
CREATE FUNCTION payments_debtreduction_approved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.approval_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM payments_approvalrequest r
        JOIN payments_coinbalance w ON w.user_id = r.target_id
        WHERE r.id = NEW.approval_id AND r.status IN ('APPROVED', 'EXECUTED')
          AND r.action = 'payments.write_off_debt' AND w.id = NEW.wallet_id
          AND (r.payload -> 'after' ->> 'amount')::numeric * 1000000 = NEW.amount_micros) THEN
        RAISE EXCEPTION 'approvals: write-off % is not what was approved', NEW.id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER payments_debtreduction_approved
    AFTER INSERT OR UPDATE ON payments_debtreduction
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION payments_debtreduction_approved();
ALTER TABLE payments_debtreduction ENABLE ALWAYS TRIGGER payments_debtreduction_approved;

-- What reduced a debt stays; how much of it came back grows.
CREATE FUNCTION payments_debtreduction_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE'
       OR to_jsonb(NEW) - 'undone_micros' <> to_jsonb(OLD) - 'undone_micros'
       OR NEW.undone_micros < OLD.undone_micros THEN
        RAISE EXCEPTION 'debts: reduction % does not change', OLD.id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER payments_debtreduction_facts BEFORE UPDATE OR DELETE ON payments_debtreduction
    FOR EACH ROW EXECUTE FUNCTION payments_debtreduction_kept();
ALTER TABLE payments_debtreduction ENABLE ALWAYS TRIGGER payments_debtreduction_facts;
