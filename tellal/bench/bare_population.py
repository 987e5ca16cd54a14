"""What one would write by hand over the same people: the same facts, joins and sums, no phases."""

BARE = """
SELECT consented, used, tried, reached, wanted, count(*) AS number
FROM (
    SELECT CASE WHEN agreed.sms_yes > agreed.sms_no OR agreed.sms_no IS NULL THEN 1
                WHEN agreed.email_yes > agreed.email_no OR agreed.email_no IS NULL THEN 2
                ELSE 3 END AS consented,
           coalesce(cardinality(used.weekly), 0) + coalesce(cardinality(used.daily), 0)
               + coalesce(cardinality(used.monthly), 0) + coalesce(cardinality(used.texts), 0)
               AS used,
           coalesce(tried.attempts, 0) AS tried,
           points.sms OR points.email OR points.push AS reached,
           CASE WHEN (facts ->> 'customer.age')::int < 18 THEN 1
                WHEN facts -> 'customer.products' ? 'card' THEN 2
                WHEN (facts ->> 'customer.risk')::int >= 950 THEN 3
                WHEN (facts ->> 'customer.balance')::int < 500 THEN 4
                WHEN facts ->> 'customer.segment' = 'youth'
                     AND (facts ->> 'customer.visits')::int < 2 THEN 5
                WHEN facts ->> 'customer.login.method' = 'branch'
                     AND facts ->> 'customer.city' IN ('Şırnak', 'Iğdır') THEN 6
                WHEN (facts ->> 'customer.contract.ends')::date < date '2026-01-20' THEN 7
                WHEN (facts ->> 'customer.app.installed')::boolean THEN 8
                ELSE 0 END AS wanted
    FROM customers
    LEFT JOIN (
        SELECT customer_id,
               bool_or(channel = 'sms') AS good_sms, bool_or(channel = 'email') AS good_email,
               bool_or(channel = 'push') AS good_push,
               bool_or(channel = 'sms' AND blocks.address IS NULL) AS sms,
               bool_or(channel = 'email' AND blocks.address IS NULL) AS email,
               bool_or(channel = 'push' AND blocks.address IS NULL) AS push
        FROM contact_points LEFT JOIN (
            SELECT address FROM blocks WHERE brand_id = :brand AND lifted_at IS NULL
            GROUP BY address
        ) AS blocks ON blocks.address = CASE WHEN channel = 'email'
            THEN lower(contact_points.address) ELSE contact_points.address END
        WHERE brand_id = :brand AND bad_reason = ''
        GROUP BY customer_id
    ) AS points ON points.customer_id = customers.id
    LEFT JOIN (
        SELECT customer_id,
               max(given_at) FILTER (WHERE channel = 'sms' AND state = 'granted') AS sms_yes,
               max(given_at) FILTER (WHERE channel = 'sms' AND state = 'refused') AS sms_no,
               max(given_at) FILTER (WHERE channel = 'email' AND state = 'granted') AS email_yes,
               max(given_at) FILTER (WHERE channel = 'email' AND state = 'refused') AS email_no,
               max(given_at) FILTER (WHERE channel = 'push' AND state = 'granted') AS push_yes,
               max(given_at) FILTER (WHERE channel = 'push' AND state = 'refused') AS push_no
        FROM consents
        WHERE brand_id = :brand
        GROUP BY customer_id
    ) AS agreed ON agreed.customer_id = customers.id
    LEFT JOIN (
        SELECT cap_uses.customer_id,
               array_agg(used_at ORDER BY used_at DESC) FILTER (WHERE cap = 'bench.weekly')
                   AS weekly,
               array_agg(used_at ORDER BY used_at DESC) FILTER (WHERE cap = 'bench.daily')
                   AS daily,
               array_agg(used_at ORDER BY used_at DESC) FILTER (WHERE cap = 'bench.monthly')
                   AS monthly,
               array_agg(used_at ORDER BY used_at DESC) FILTER (WHERE cap = 'bench.texts')
                   AS texts
        FROM cap_uses JOIN messages ON messages.id = cap_uses.message_id
        WHERE cap = ANY (ARRAY['bench.daily', 'bench.weekly', 'bench.monthly', 'bench.texts'])
              AND released_at IS NULL AND used_at > CAST(:at AS timestamptz) - interval '32 days'
              AND NOT messages.simulated
        GROUP BY cap_uses.customer_id
    ) AS used ON used.customer_id = customers.id
    LEFT JOIN (
        SELECT customer_id, sum(tries) FILTER (WHERE state <> 'cancelled') AS attempts
        FROM outcomes
        WHERE brand_id = :brand AND topic = :topic
              AND (plan ->> 'simulated')::boolean IS NOT TRUE
        GROUP BY customer_id
    ) AS tried ON tried.customer_id = customers.id
    WHERE customers.brand_id = :brand
) AS everybody
GROUP BY 1, 2, 3, 4, 5
"""
