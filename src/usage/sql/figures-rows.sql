-- Part of figures: sums of an account's rows, from an event id on. The ids of events, and of their refunds, have the time of the admission, as the
-- period has, so that earlier partitions are not looked at.
SELECT
    '' AS name, -- if none
    toString({by:Identifier}) AS name, -- if grouped
    roundDown(toUnixTimestamp(admitted_at), {starts:Array(UInt32)}) AS bucket,
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
    AND UUIDToNum(event_id) >= toFixedString(unhex({first_id:String}), 16) -- if rolled
    AND period_id >= formatDateTime(toDateTime(({until_hour:UInt32} - 1) * 3600, 'UTC'), '%Y-%m') -- if rolled
    AND admitted_at >= toDateTime64({first:UInt32}, 6, 'UTC')
    AND admitted_at < toDateTime64({to:UInt32}, 6, 'UTC')
    AND kind NOT IN ('threshold', 'feedback')
    AND served_model IN {models:Array(String)} -- if model
    AND tier IN {tiers:Array(String)} -- if tier
    AND provider IN {providers:Array(String)} -- if provider
    AND root_key_id IN {keys:Array(String)} -- if key
    AND tag IN {tags:Array(String)} -- if tag
    AND outcome IN {outcomes:Array(String)} -- if outcome
GROUP BY name, bucket
