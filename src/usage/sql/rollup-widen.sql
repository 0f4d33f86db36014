-- The same day's wider pieces, from its hours: each is part of those that begin with the day, up to its end, and of those that end with it.
INSERT INTO optamil.usage_sums
SELECT
    account_id,
    dimension,
    3600 * (wide.2 - wide.1) AS span,
    hours.start - hours.start % 86400 + 3600 * wide.1 AS start,
    name,
    id_day,
    made_at,
    sum(requests),
    sum(refused),
    sum(errors),
    sum(prompt),
    sum(cached),
    sum(completion),
    sum(credits),
    sum(provider_cost),
    sum(baseline_cost),
    sum(answers),
    quantilesDDMergeState(0.01, 0.5, 0.99)(ttft),
    quantilesDDMergeState(0.01, 0.5, 0.99)(duration)
FROM optamil.usage_sums AS hours
ARRAY JOIN arrayConcat(
    arrayMap(n -> (0, n), range(greatest(intDiv(hours.start % 86400, 3600), 1) + 1, 25)),
    arrayMap(n -> (n, 24), range(1, least(intDiv(hours.start % 86400, 3600), 22) + 1))
) AS wide
WHERE account_id = {account:String}
    AND hours.span = 3600
    AND id_day = {day:UInt32}
    AND made_at = fromUnixTimestamp64Milli({made_at:Int64}, 'UTC')
GROUP BY 1, 2, 3, 4, 5, 6, 7
