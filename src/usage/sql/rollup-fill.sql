-- Rolls one day of an account up. Of the columns that name groups, one at most is filled, so that together they are its name.
INSERT INTO optamil.usage_hours
SELECT
    account_id,
    {day:UInt32} AS id_day,
    fromUnixTimestamp64Milli({made_at:Int64}, 'UTC') AS made_at,
    multiIf(
        grouping(served_model) = 0, 'model', grouping(tier) = 0, 'tier', grouping(provider) = 0, 'provider',
        grouping(root_key_id) = 0, 'key', grouping(tag) = 0, 'tag', grouping(outcome) = 0, 'outcome', 'none'
    ) AS dimension,
    intDiv(toUnixTimestamp(admitted_at), 3600) * 3600 AS hour,
    concat(served_model, tier, provider, root_key_id, tag, outcome) AS name,
    countIf(kind = 'request') AS requests,
    sumIf(greatest(request_count, 1), kind = 'rejected') AS refused,
    countIf(kind = 'request' AND outcome IN ('upstream_error', 'upstream_partial', 'timeout', 'gateway_abort')) AS errors,
    sum(prompt_tokens) AS prompt,
    sum(cached_tokens) AS cached,
    sum(completion_tokens) AS completion,
    sum(credits_micro) AS credits,
    sum(provider_cost_nanousd) AS provider_cost,
    sum(baseline_cost_nanousd) AS baseline_cost,
    countIf(kind = 'request' AND outcome IN ('ok', 'stream_ok')) AS answers,
    quantilesDDStateIf(0.01, 0.5, 0.99)(ttft_ms, kind = 'request' AND outcome IN ('ok', 'stream_ok') AND ttft_ms > 0) AS ttft,
    quantilesDDStateIf(0.01, 0.5, 0.99)(dateDiff('millisecond', admitted_at, finished_at), kind = 'request' AND outcome IN ('ok', 'stream_ok')) AS duration
FROM optamil.usage_events FINAL
WHERE account_id = {account:String}
    AND kind != 'threshold'
    AND UUIDToNum(event_id) >= toFixedString(unhex({first:String}), 16)
    AND UUIDToNum(event_id) < toFixedString(unhex({after:String}), 16)
GROUP BY GROUPING SETS (
    (account_id, hour),
    (account_id, hour, served_model),
    (account_id, hour, tier),
    (account_id, hour, provider),
    (account_id, hour, root_key_id),
    (account_id, hour, tag),
    (account_id, hour, outcome)
)
