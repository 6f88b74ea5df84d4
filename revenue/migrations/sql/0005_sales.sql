-- A sale of content, split among its authors and earned by them, in SQL. revenue.services.earnings
-- does the same in Python (content_claims, split, accrue), and a test compares the two on random
-- inputs.

-- One element per author, in the order of the authorships.
CREATE TYPE revenue_sale AS (
    writers text[], accounts bigint[], codes text[], units text[],
    credits bigint[],          -- USD micros, as the ledger signs them: not above zero
    shares integer[], rules bigint[], rates integer[], maturities timestamptz[],
    total bigint               -- USD micros of all authors
);

-- Together the authors have the value times their rate, rounded down to a micro; among themselves
-- they divide that by largest remainder, ties to the smaller id (rules.md, rule 10).
CREATE FUNCTION revenue_split_sale(p_content text, p_value bigint, p_on timestamptz)
RETURNS revenue_sale LANGUAGE plpgsql AS $$
DECLARE
    claim record;
    sale revenue_sale;
    weights numeric[];
    whole numeric := 0;
    rests numeric[];
    left_over bigint;
    most integer;
BEGIN
    FOR claim IN
        SELECT w.writer_id::text AS writer, a.share_bps, r.id AS rule, r.rate_bps,
               CASE WHEN p_on - w.first_seen_at < make_interval(hours => 24 * t.new_writer_days)
                    THEN t.new_writer_hold_days ELSE t.hold_days END AS hold_days,
               o.id AS account
        FROM revenue_authorship a
        JOIN revenue_writer w ON w.writer_id = a.writer_id
        LEFT JOIN LATERAL (
            SELECT s.new_writer_days, s.new_writer_hold_days, s.hold_days FROM revenue_streamterms s
            WHERE s.stream = 'CONTENT' AND s.valid_from <= p_on
            ORDER BY s.valid_from DESC, s.id DESC LIMIT 1
        ) t ON true
        LEFT JOIN LATERAL (
            -- The most specific rule, and of those the newest: the writer's, the level's, all's.
            SELECT s.id, s.rate_bps FROM revenue_splitrule s
            WHERE s.stream = 'CONTENT' AND s.valid_from <= p_on
              AND (s.writer_id = w.writer_id OR s.writer_id IS NULL AND s.level IN ('', w.level))
            ORDER BY s.writer_id IS NULL, s.level = '', s.valid_from DESC, s.id DESC LIMIT 1
        ) r ON true
        LEFT JOIN payments_account o
               ON o.code = 'writer' AND o.owner_type = 'WRITER' AND o.owner_id = w.writer_id
              AND o.unit = 'USD'
        WHERE a.content_id = p_content AND a.valid_to IS NULL
        ORDER BY a.id
    LOOP
        IF claim.rule IS NULL OR claim.hold_days IS NULL THEN
            RAISE EXCEPTION 'revenue: no terms or split rule for CONTENT at %', p_on;
        END IF;
        sale.writers := sale.writers || claim.writer;
        sale.accounts := sale.accounts || coalesce(
            claim.account,
            payments_account_id('writer', 'WRITER', claim.writer, 'USD', 'LIABILITY', -1));
        sale.codes := sale.codes || 'writer'::text;
        sale.units := sale.units || 'USD'::text;
        sale.shares := sale.shares || claim.share_bps;
        sale.rules := sale.rules || claim.rule;
        sale.rates := sale.rates || claim.rate_bps;
        sale.maturities := sale.maturities || p_on + make_interval(hours => 24 * claim.hold_days);
        weights := weights || claim.share_bps::numeric * claim.rate_bps;
        whole := whole + claim.share_bps::numeric * claim.rate_bps;
    END LOOP;

    -- Shares and rates are both in basis points: a weight of 10,000 x 10,000 is all of it.
    sale.total := div(p_value * whole, 100000000);
    left_over := sale.total;
    FOR i IN 1 .. coalesce(cardinality(weights), 0) LOOP
        sale.credits[i] := CASE whole WHEN 0 THEN 0 ELSE -div(sale.total * weights[i], whole) END;
        rests[i] := CASE whole WHEN 0 THEN 0 ELSE mod(sale.total * weights[i], whole) END;
        left_over := left_over + sale.credits[i];
    END LOOP;
    -- What flooring left goes to the largest remainders, a micro each.
    FOR n IN 1 .. left_over LOOP
        most := 1;
        FOR i IN 2 .. cardinality(rests) LOOP
            IF rests[i] > rests[most] OR rests[i] = rests[most]
               AND sale.writers[i] COLLATE "C" < sale.writers[most] COLLATE "C" THEN
                most := i;
            END IF;
        END LOOP;
        sale.credits[most] := sale.credits[most] - 1;
        rests[most] := -1;
    END LOOP;
    RETURN sale;
END $$;

-- A row for each author; the reader's country is where the money came from, for tax.
CREATE FUNCTION revenue_accrue_sale(
    p_sale revenue_sale, p_transaction uuid, p_content text, p_coins bigint, p_promo_coins bigint,
    p_reader text, p_now timestamptz
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO revenue_earning (
        transaction_id, writer_id, stream, content_id, amount_micros, coins, promo_coins, rule_id,
        rate_bps, share_bps, reader_country, occurred_at, matures_at)
    SELECT p_transaction, s.writer, 'CONTENT', p_content, -s.credit, p_coins, p_promo_coins, s.rule,
           s.rate, s.share,
           coalesce((SELECT c.country FROM payments_customer c WHERE c.user_id = p_reader), ''),
           p_now, s.matures
    FROM unnest(p_sale.writers, p_sale.credits, p_sale.shares, p_sale.rules, p_sale.rates,
                p_sale.maturities) AS s(writer, credit, share, rule, rate, matures);
END $$;
