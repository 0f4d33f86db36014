-- Part of figures: the same sums from the rollups of the days before. Buckets begin and end with hours.
SELECT
    toString(if({grouped:Bool}, hours.name, '')) AS name,
    roundDown(hour, {starts:Array(UInt32)}) AS bucket,
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
FROM optamil.usage_hours AS hours
WHERE account_id = {account:String}
    AND id_day < {until_day:UInt32}
    AND (id_day, made_at) IN
    (
        SELECT id_day, max(made_at) FROM optamil.usage_rolled WHERE account_id = {account:String} GROUP BY id_day
    )
    AND hour >= {starts:Array(UInt32)}[1]
    AND hour < {to:UInt32}
    AND dimension = {dimension:String}
    AND (empty({names:Array(String)}) OR hours.name IN {names:Array(String)})
GROUP BY 1, 2
