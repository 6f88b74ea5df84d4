-- Buying a chapter in one call: lock, check, burn, split, post, grant, earn, tell. Only
-- access.services.content calls it, and says what each result means. Every refusal comes before
-- the first write, so nothing has to be undone: the call may run in a transaction or be one.
--
-- Results: owned, unknown, price_changed, free, own_work, blocked, insufficient, bought.
CREATE OR REPLACE FUNCTION access_buy(
    p_user text, p_content text, p_expected_price bigint, p_entitlement uuid, p_transaction uuid,
    p_actor text, p_trace text, p_now timestamptz
) RETURNS json LANGUAGE plpgsql AS $$
DECLARE
    wallet payments_coinbalance;
    item record;
    burned payments_burned;
    sale revenue_sale;
    ours record;
BEGIN
    -- The only lock: from here on, one movement of this reader's coins at a time. A statement of its
    -- own: what follows must see what whoever held it before has done.
    SELECT * INTO wallet FROM payments_coinbalance WHERE user_id = p_user FOR NO KEY UPDATE;

    SELECT c.is_published, c.is_free, c.price_coins, e.id AS right_id,
           e.id IS NOT NULL AND (e.expires_at IS NULL OR e.expires_at > p_now) AS is_owned,
           EXISTS (SELECT FROM revenue_authorship a WHERE a.content_id = p_content
                   AND a.writer_id = p_user AND a.valid_to IS NULL) AS is_own_work
    INTO item
    FROM (SELECT) one
    LEFT JOIN access_content c ON c.content_id = p_content
    LEFT JOIN access_entitlement e
           ON e.user_id = p_user AND e.content_id = p_content AND e.revoked_at IS NULL;
    IF item.is_owned THEN
        RETURN json_build_object('result', 'owned', 'entitlement_id', item.right_id);
    ELSIF item.is_published IS NOT TRUE THEN
        RETURN json_build_object('result', 'unknown');
    ELSIF item.price_coins <> p_expected_price THEN
        RETURN json_build_object('result', 'price_changed', 'price_coins', item.price_coins);
    ELSIF item.is_free THEN
        RETURN json_build_object('result', 'free');
    ELSIF item.is_own_work THEN
        RETURN json_build_object('result', 'own_work');
    ELSIF wallet.blocked_by <> '' THEN
        RETURN json_build_object('result', 'blocked');
    END IF;

    IF wallet.coins >= item.price_coins THEN
        burned := payments_take(
            wallet.id, p_transaction, 'SPEND', item.price_coins, false, p_now);
    END IF;
    -- Also when what the wallet counts has expired, and no sweep has taken it yet.
    IF burned.lots IS NULL THEN
        RETURN json_build_object(
            'result', 'insufficient', 'required_coins', item.price_coins,
            'available_coins', (
                SELECT coalesce(sum(l.coins - l.next_coin), 0) FROM payments_coinlot l
                WHERE l.wallet_id = wallet.id AND NOT l.is_used_up AND l.frozen_by = ''
                  AND (l.expires_at IS NULL OR l.expires_at > p_now)));
    END IF;

    SELECT max(a.id) FILTER (WHERE a.code = 'coins_issued') AS issued,
           max(a.id) FILTER (WHERE a.code = 'coins_deferred') AS deferred,
           max(a.id) FILTER (WHERE a.code = 'platform:content') AS content
    INTO ours FROM payments_account a
    WHERE a.owner_type = 'PLATFORM' AND a.owner_id = ''
      AND (a.code, a.unit) IN (('coins_issued', 'COIN'), ('coins_deferred', 'USD'),
                               ('platform:content', 'USD'));
    IF ours.content IS NULL THEN
        ours.content := payments_account_id(
            'platform:content', 'PLATFORM', '', 'USD', 'INCOME', -1);
    END IF;
    sale := revenue_split_sale(p_content, burned.value_micros, p_now);
    PERFORM payments_post_lines(
        p_transaction, 'CONTENT_PURCHASE', 'entitlement', p_entitlement::text,
        'entitlement:' || p_entitlement, p_now, p_actor,
        jsonb_build_object('content_id', p_content),
        ARRAY['wallet', 'coins_issued', 'coins_deferred'] || sale.codes || 'platform:content'::text,
        ARRAY[p_user, '', ''] || sale.writers || ''::text,
        ARRAY['COIN', 'COIN', 'USD'] || sale.units || 'USD'::text,
        ARRAY[item.price_coins, -item.price_coins, burned.value_micros] || sale.credits
            || sale.total - burned.value_micros,
        ARRAY[wallet.account_id, ours.issued, ours.deferred] || sale.accounts || ours.content);

    IF item.right_id IS NOT NULL THEN
        UPDATE access_entitlement SET revoked_at = p_now WHERE id = item.right_id;
    END IF;
    INSERT INTO access_entitlement (
        id, user_id, content_id, ground, transaction_id, coins, granted_at)
    VALUES (p_entitlement, p_user, p_content, 'PURCHASED', p_transaction, item.price_coins, p_now);
    PERFORM revenue_accrue_sale(
        sale, p_transaction, p_content, item.price_coins, burned.promo_coins, p_user, p_now);
    PERFORM access_tell_sale(
        sale, burned, p_user, wallet.held, p_transaction, p_entitlement, p_content,
        item.price_coins, p_trace, p_now);
    RETURN json_build_object(
        'result', 'bought', 'wallet_id', wallet.id, 'purchased', burned.purchased_left,
        'promo', burned.promo_left, 'held', wallet.held, 'lots', burned.lots,
        'origins', burned.origins, 'are_purchased', burned.are_purchased,
        'from_coins', burned.from_coins, 'to_coins', burned.to_coins, 'micros', burned.micros);
END $$;

-- What other services are told of a sale, in the order of outbox.emit_all: the wallet, the right,
-- and each author's earning.
CREATE OR REPLACE FUNCTION access_tell_sale(
    p_sale revenue_sale, p_burned payments_burned, p_user text, p_held bigint, p_transaction uuid,
    p_entitlement uuid, p_content text, p_coins bigint, p_trace text, p_now timestamptz
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO payments_outboxevent (id, type, subject, payload, occurred_at, trace_id)
    SELECT payments_event_id(p_transaction, 1), 'payments.balance.changed', p_user,
           jsonb_build_object(
               'user_id', p_user, 'coins', p_burned.purchased_left + p_burned.promo_left,
               'purchased_coins', p_burned.purchased_left, 'promo_coins', p_burned.promo_left,
               'held_coins', p_held, 'transaction_id', p_transaction),
           p_now, p_trace
    UNION ALL
    SELECT payments_event_id(p_transaction, 2), 'access.entitlement.granted', p_user,
           jsonb_build_object(
               'entitlement_id', p_entitlement, 'user_id', p_user, 'content_id', p_content,
               'ground', 'purchased', 'transaction_id', p_transaction, 'coins', p_coins,
               'granted_at', legato_moment(p_now), 'expires_at', NULL),
           p_now, p_trace
    UNION ALL
    SELECT payments_event_id(p_transaction, 2 + s.place::integer), 'revenue.earning.accrued',
           s.writer,
           jsonb_build_object(
               'transaction_id', p_transaction, 'writer_id', s.writer, 'stream', 'content',
               'content_id', p_content,
               'amount', jsonb_build_object('amount', legato_amount(-s.credit), 'currency', 'USD'),
               'coins', p_coins, 'promo_coins', p_burned.promo_coins,
               'matures_at', legato_moment(s.matures)),
           p_now, p_trace
    FROM unnest(p_sale.writers, p_sale.credits, p_sale.maturities)
        WITH ORDINALITY AS s(writer, credit, matures, place);
END $$;
