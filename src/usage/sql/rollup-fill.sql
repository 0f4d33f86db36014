-- Rolls one day of an account up, by hours. Of the columns that name groups, one at most is filled, so that together they are its name.
INSERT INTO optamil.usage_sums
SELECT
    account_id,
    multiIf(
        grouping(served_model) = 0, 'model', grouping(tier) = 0, 'tier', grouping(provider) = 0, 'provider',
        grouping(root_key_id) = 0, 'key', grouping(tag) = 0, 'tag', grouping(outcome) = 0, 'outcome', 'none'
    ) AS dimension,
    3600 AS span,
    intDiv(toUnixTimestamp(admitted_at), 3600) * 3600 AS start,
    concat(served_model, tier, provider, root_key_id, tag, outcome) AS name,
    {day:UInt32} AS id_day,
    fromUnixTimestamp64Milli({made_at:Int64}, 'UTC') AS made_at,
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
    AND kind NOT IN ('threshold', 'feedback')
    AND UUIDToNum(event_id) >= toFixedString(unhex({first:String}), 16)
    AND UUIDToNum(event_id) < toFixedString(unhex({after:String}), 16)
GROUP BY GROUPING SETS (
    (account_id, start),
    (account_id, start, served_model),
    (account_id, start, tier),
    (account_id, start, provider),
    (account_id, start, root_key_id),
    (account_id, start, tag),
    (account_id, start, outcome)
)
