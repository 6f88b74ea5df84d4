-- What holds of approvals whatever the code says: a proposal is never rewritten, its states go one
-- way, and it is approved only by as many people as it needs, the maker never among them.

CREATE FUNCTION payments_approvalrequest_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    agreed bigint;
    refused bigint;
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status <> 'PENDING' THEN
            RAISE EXCEPTION 'approvals: a request starts as PENDING' USING ERRCODE = '23514';
        END IF;
        RETURN NEW;
    END IF;
    IF (NEW.id, NEW.action, NEW.target_type, NEW.target_id, NEW.summary, NEW.payload,
        NEW.payload_hash, NEW.amount_micros, NEW.currency, NEW.maker, NEW.reason, NEW.needed,
        NEW.created_at, NEW.expires_at)
       IS DISTINCT FROM
       (OLD.id, OLD.action, OLD.target_type, OLD.target_id, OLD.summary, OLD.payload,
        OLD.payload_hash, OLD.amount_micros, OLD.currency, OLD.maker, OLD.reason, OLD.needed,
        OLD.created_at, OLD.expires_at) THEN
        RAISE EXCEPTION 'approvals: a request is never rewritten'
            USING ERRCODE = '23514', HINT = 'Another payload is another request.';
    END IF;
    IF NEW.status = OLD.status THEN
        RETURN NEW;
    END IF;
    IF NOT (OLD.status = 'PENDING' AND NEW.status IN ('APPROVED', 'REJECTED', 'WITHDRAWN', 'EXPIRED')
            OR OLD.status = 'APPROVED' AND NEW.status IN ('EXECUTED', 'FAILED')) THEN
        RAISE EXCEPTION 'approvals: % does not become %', OLD.status, NEW.status
            USING ERRCODE = '23514';
    END IF;
    IF NEW.status = 'APPROVED' THEN
        SELECT count(DISTINCT decided_by) FILTER (WHERE word = 'APPROVE'),
               count(*) FILTER (WHERE word <> 'APPROVE')
        INTO agreed, refused
        FROM payments_approvaldecision WHERE request_id = NEW.id;
        IF agreed < NEW.needed OR refused > 0 THEN
            RAISE EXCEPTION 'approvals: % of % agreed, % refused', agreed, NEW.needed, refused
                USING ERRCODE = '23514';
        END IF;
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER payments_approvalrequest_guard BEFORE INSERT OR UPDATE ON payments_approvalrequest
    FOR EACH ROW EXECUTE FUNCTION payments_approvalrequest_guard();
ALTER TABLE payments_approvalrequest ENABLE ALWAYS TRIGGER payments_approvalrequest_guard;

CREATE TRIGGER payments_approvalrequest_no_delete BEFORE DELETE ON payments_approvalrequest
    FOR EACH ROW EXECUTE FUNCTION legato_refuse_change();
ALTER TABLE payments_approvalrequest ENABLE ALWAYS TRIGGER payments_approvalrequest_no_delete;

-- The CHECK compares the decider with the maker that the decision names; this makes that maker the
-- request's own, and the payload that was decided on the one that is stored.
CREATE FUNCTION payments_approvaldecision_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    request payments_approvalrequest;
BEGIN
    SELECT * INTO request FROM payments_approvalrequest WHERE id = NEW.request_id;
    IF FOUND AND (NEW.maker, NEW.payload_hash) IS DISTINCT FROM
                 (request.maker, request.payload_hash) THEN
        RAISE EXCEPTION 'approvals: the decision is about another maker or payload'
            USING ERRCODE = '23514';
    END IF;
    IF FOUND AND request.status <> 'PENDING' THEN
        RAISE EXCEPTION 'approvals: the request is % already', request.status
            USING ERRCODE = '23514';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER payments_approvaldecision_guard BEFORE INSERT ON payments_approvaldecision
    FOR EACH ROW EXECUTE FUNCTION payments_approvaldecision_guard();
ALTER TABLE payments_approvaldecision ENABLE ALWAYS TRIGGER payments_approvaldecision_guard;
