-- What the gateway said never changes, but for an amount that is not in the books yet: Paystack tells
-- the final one only with the transfer. ENABLE ALWAYS: see 0020.
DROP TRIGGER payments_settlement_facts ON payments_settlement;
CREATE TRIGGER payments_settlement_facts
    BEFORE UPDATE OF id, provider, gateway_id, currency, created_at, seen_at
    ON payments_settlement FOR EACH ROW EXECUTE FUNCTION legato_refuse_change();
CREATE TRIGGER payments_settlement_amount
    BEFORE UPDATE ON payments_settlement FOR EACH ROW
    WHEN (OLD.transaction_id IS NOT NULL AND NEW.amount_micros <> OLD.amount_micros)
    EXECUTE FUNCTION legato_refuse_change();
ALTER TABLE payments_settlement ENABLE ALWAYS TRIGGER payments_settlement_facts;
ALTER TABLE payments_settlement ENABLE ALWAYS TRIGGER payments_settlement_amount;
