-- The first day of an account that its rollups do not have, or have as it was before; 0: they have none.
SELECT
    if(countIf(rolled > touched) = 0, 0, if(countIf(rolled <= touched) = 0, max(id_day) + 1, minIf(id_day, rolled <= touched))) AS until_day
FROM
(
    SELECT id_day, max(touched_at) AS touched FROM optamil.usage_touched
    WHERE account_id = {account:String} GROUP BY id_day
) AS days
LEFT JOIN
(
    SELECT id_day, max(made_at) AS rolled FROM optamil.usage_rolled
    WHERE account_id = {account:String} GROUP BY id_day
) AS rollups USING (id_day)
