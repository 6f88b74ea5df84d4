-- What the gateway and the bank said never changes, and no row goes away. ENABLE ALWAYS: an ordinary
-- trigger sleeps in a session that sets session_replication_role.
CREATE TRIGGER payments_settlement_facts
    BEFORE UPDATE OF id, provider, gateway_id, currency, amount_micros, created_at, seen_at
    ON payments_settlement FOR EACH ROW EXECUTE FUNCTION legato_refuse_change();
CREATE TRIGGER payments_settlement_no_delete
    BEFORE DELETE ON payments_settlement FOR EACH ROW EXECUTE FUNCTION legato_refuse_change();
CREATE TRIGGER payments_settlement_no_truncate
    BEFORE TRUNCATE ON payments_settlement
    FOR EACH STATEMENT EXECUTE FUNCTION legato_refuse_change();
ALTER TABLE payments_settlement ENABLE ALWAYS TRIGGER payments_settlement_facts;
ALTER TABLE payments_settlement ENABLE ALWAYS TRIGGER payments_settlement_no_delete;
ALTER TABLE payments_settlement ENABLE ALWAYS TRIGGER payments_settlement_no_truncate;

CREATE TRIGGER payments_bankreceipt_facts
    BEFORE UPDATE OF id, statement_id, line, booked_on, amount_micros, currency, reference,
        description
    ON payments_bankreceipt FOR EACH ROW EXECUTE FUNCTION legato_refuse_change();
CREATE TRIGGER payments_bankreceipt_no_delete
    BEFORE DELETE ON payments_bankreceipt FOR EACH ROW EXECUTE FUNCTION legato_refuse_change();
CREATE TRIGGER payments_bankreceipt_no_truncate
    BEFORE TRUNCATE ON payments_bankreceipt
    FOR EACH STATEMENT EXECUTE FUNCTION legato_refuse_change();
ALTER TABLE payments_bankreceipt ENABLE ALWAYS TRIGGER payments_bankreceipt_facts;
ALTER TABLE payments_bankreceipt ENABLE ALWAYS TRIGGER payments_bankreceipt_no_delete;
ALTER TABLE payments_bankreceipt ENABLE ALWAYS TRIGGER payments_bankreceipt_no_truncate;
