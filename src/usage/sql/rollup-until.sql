-- How far the rollups of an account reach, in hours since 1970 of the time in the event ids: the first one that they do not have, or have as it
-- was before (0: they have none), whether there may be anything from then on, and the first and last moment that they are of, Unix
-- seconds. A day has a part of its rollup while nothing has come for its hours; what came is known by the hour for yesterday and today.
SELECT
    if(countIf(is_whole OR is_part) = 0, 0, if(has_more, minIf(if(is_part, rolled_until, id_day * 24), NOT is_whole), (max(id_day) + 1) * 24)) AS until_hour,
    countIf(NOT is_whole) > 0 AS has_more,
    (SELECT (min(start), max(start) + 3600) FROM optamil.usage_sums WHERE account_id = {account:String} AND dimension = 'none' AND span = 3600) AS times,
    times.1 AS first,
    times.2 AS after
FROM
(
    SELECT
        id_day,
        rolled_until,
        rolled > touched AND rolled_until = (id_day + 1) * 24 AS is_whole,
        id_day >= intDiv(toUnixTimestamp(now()), 86400) - 1 AND rolled_until > id_day * 24
            AND NOT arrayExists(hour -> hour.1 < rolled_until AND hour.2 >= rolled, hours) AS is_part
    FROM
    (
        SELECT id_day, max(touched_at) AS touched FROM optamil.usage_touched
        WHERE account_id = {account:String} GROUP BY id_day
    ) AS days
    LEFT JOIN
    (
        SELECT id_day, max(made_at) AS rolled, argMax(until_hour, made_at) AS rolled_until FROM optamil.usage_summed
        WHERE account_id = {account:String} GROUP BY id_day
    ) AS rollups USING (id_day)
    LEFT JOIN
    (
        SELECT intDiv(id_hour, 24) AS id_day, groupArray((id_hour, touched_at)) AS hours FROM optamil.usage_touched_hours
        WHERE account_id = {account:String} GROUP BY id_day
    ) AS lately USING (id_day)
)
