-- Part of figures: the same sums from the rollups before it, in pieces that lie within the buckets.
SELECT
    '' AS name, -- if none
    toString(sums.name) AS name, -- if grouped
    roundDown(start, {starts:Array(UInt32)}) AS bucket,
    requests,
    refused,
    errors,
    prompt,
    cached,
    completion,
    credits,
    provider_cost,
    baseline_cost,
    answers,
    ttft,
    duration
FROM optamil.usage_sums AS sums
WHERE account_id = {account:String}
    AND dimension = {dimension:String}
    AND (span, start) IN arrayZip({piece_spans:Array(UInt32)}, {piece_starts:Array(UInt32)})
    AND id_day * 24 < {until_hour:UInt32}
    AND (id_day, made_at) IN
    (
        SELECT id_day, max(made_at) FROM optamil.usage_summed WHERE account_id = {account:String} GROUP BY id_day
    )
    AND sums.name IN {names:Array(String)} -- if named
