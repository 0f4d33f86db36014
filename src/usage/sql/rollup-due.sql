-- The next day to roll up: of an account that had so many rows on some day, over by now, and quiet for so many seconds.
SELECT account_id, id_day, toString(toUnixTimestamp64Milli(now64(3))) AS made_at_ms
FROM
(
    SELECT account_id, id_day, max(touched_at) AS touched
    FROM optamil.usage_touched
    WHERE account_id IN
    (
        SELECT account_id FROM (SELECT account_id, id_day, sum(rows) AS inserted FROM optamil.usage_touched GROUP BY account_id, id_day)
        WHERE inserted >= {rows:UInt64}
    )
    GROUP BY account_id, id_day
) AS days
LEFT JOIN
(
    SELECT account_id, id_day, max(made_at) AS rolled FROM optamil.usage_summed GROUP BY account_id, id_day
) AS rollups USING (account_id, id_day)
WHERE id_day < intDiv(toUnixTimestamp(now()), 86400)
    AND touched >= rolled
    AND touched < now64(3) - toIntervalSecond({quiet:UInt32})
ORDER BY id_day DESC, account_id
LIMIT 1
