-- The next day to roll up, quiet for so many seconds: one that is over, of an account that had so many rows on some day, or the
-- hours that are over of the present day, where they have so many rows.
SELECT account_id, id_day, until_hour, toString(toUnixTimestamp64Milli(now64(3))) AS made_at_ms
FROM
(
    SELECT account_id, id_day, (id_day + 1) * 24 AS until_hour, until_hour - 1 AS last_hour, max(touched_at) AS touched
    FROM optamil.usage_touched
    WHERE account_id IN
    (
        SELECT account_id FROM (SELECT account_id, id_day, sum(rows) AS inserted FROM optamil.usage_touched GROUP BY account_id, id_day)
        WHERE inserted >= {rows:UInt64}
    )
    AND id_day < intDiv(toUnixTimestamp(now()), 86400)
    GROUP BY account_id, id_day
    UNION ALL
    SELECT account_id, intDiv(id_hour, 24) AS id_day, intDiv(toUnixTimestamp(now()), 3600) AS until_hour, max(id_hour) AS last_hour, max(touched_at) AS touched
    FROM optamil.usage_touched_hours
    WHERE id_hour >= intDiv(toUnixTimestamp(now()), 86400) * 24 AND id_hour < until_hour
    GROUP BY account_id, id_day
    HAVING sum(rows) >= {rows:UInt64}
) AS days
LEFT JOIN
(
    SELECT account_id, id_day, max(made_at) AS rolled, argMax(usage_summed.until_hour, made_at) AS rolled_until
    FROM optamil.usage_summed GROUP BY account_id, id_day
) AS rollups USING (account_id, id_day)
WHERE (touched >= rolled OR last_hour >= rolled_until)
    AND touched < now64(3) - toIntervalSecond({quiet:UInt32})
ORDER BY id_day DESC, account_id
LIMIT 1
