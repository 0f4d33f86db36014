-- The same day's wider pieces, from its hours.
INSERT INTO optamil.usage_sums
SELECT
    account_id,
    dimension,
    wide AS span,
    intDiv(hours.start, wide) * wide AS start,
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
ARRAY JOIN [10800, 21600, 43200, 86400] AS wide
WHERE account_id = {account:String}
    AND hours.span = 3600
    AND id_day = {day:UInt32}
    AND made_at = fromUnixTimestamp64Milli({made_at:Int64}, 'UTC')
GROUP BY 1, 2, 3, 4, 5, 6, 7
