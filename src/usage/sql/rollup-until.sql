-- How far the rollups of an account reach: the first day that they do not have, or have as it was before (0: they have none), whether there is
-- anything from that day on, and the first and last moment that they are of, Unix seconds.
SELECT
    if(countIf(rolled > touched) = 0, 0, if(countIf(rolled <= touched) = 0, max(id_day) + 1, minIf(id_day, rolled <= touched))) AS until_day,
    max(id_day) >= until_day AS has_more,
    (SELECT min(start) FROM optamil.usage_sums WHERE account_id = {account:String} AND dimension = 'none' AND span = 86400) AS first,
    (SELECT max(start) + 86400 FROM optamil.usage_sums WHERE account_id = {account:String} AND dimension = 'none' AND span = 86400) AS after
FROM
(
    SELECT id_day, max(touched_at) AS touched FROM optamil.usage_touched
    WHERE account_id = {account:String} GROUP BY id_day
) AS days
LEFT JOIN
(
    SELECT id_day, max(made_at) AS rolled FROM optamil.usage_summed
    WHERE account_id = {account:String} GROUP BY id_day
) AS rollups USING (id_day)
