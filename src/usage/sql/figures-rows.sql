-- Part of figures: sums of an account's rows, from an event id on.
SELECT
    toString({by:Identifier}) AS name,
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
FROM (SELECT *, '' AS nothing FROM optamil.usage_events FINAL)
WHERE account_id = {account:String}
    AND UUIDToNum(event_id) >= toFixedString(unhex({first_id:String}), 16)
    AND admitted_at >= toDateTime64({starts:Array(UInt32)}[1], 6, 'UTC')
    AND admitted_at < toDateTime64({to:UInt32}, 6, 'UTC')
    AND kind != 'threshold'
    AND (empty({models:Array(String)}) OR served_model IN {models:Array(String)})
    AND (empty({tiers:Array(String)}) OR tier IN {tiers:Array(String)})
    AND (empty({providers:Array(String)}) OR provider IN {providers:Array(String)})
    AND (empty({keys:Array(String)}) OR root_key_id IN {keys:Array(String)})
    AND (empty({tags:Array(String)}) OR tag IN {tags:Array(String)})
    AND (empty({outcomes:Array(String)}) OR outcome IN {outcomes:Array(String)})
GROUP BY name, bucket
