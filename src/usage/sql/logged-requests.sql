-- A page of an account's requests, refusals and refunds as they count, newest first, from after the one at the cursor.
SELECT
    toString(event_id) AS id,
    request_id,
    kind,
    outcome,
    toString(toUnixTimestamp64Micro(admitted_at)) AS admitted_at_us,
    toString(greatest(0, dateDiff('millisecond', admitted_at, finished_at))) AS duration_ms,
    ttft_ms,
    http_status,
    stream,
    key_id,
    root_key_id,
    tag,
    requested_model,
    served_model,
    tier,
    provider,
    toString(prompt_tokens) AS prompt_tokens_text,
    toString(cached_tokens) AS cached_tokens_text,
    toString(completion_tokens) AS completion_tokens_text,
    toString(reasoning_tokens) AS reasoning_tokens_text,
    tokens_estimated,
    toString(credits_micro) AS credits_micro_text,
    toString(provider_cost_nanousd) AS provider_cost_nanousd_text,
    toString(baseline_cost_nanousd) AS baseline_cost_nanousd_text,
    baseline_model,
    length(attempts) AS attempt_count,
    greatest(request_count, 1) AS requests_meant
FROM optamil.usage_events FINAL
WHERE account_id = {account:String}
    AND admitted_at >= fromUnixTimestamp64Micro({from:Int64}, 'UTC')
    AND admitted_at < fromUnixTimestamp64Micro({to:Int64}, 'UTC')
    AND (admitted_at, UUIDToNum(event_id)) < (fromUnixTimestamp64Micro({cursor_at:Int64}, 'UTC'), UUIDToNum({cursor_event:UUID}))
    AND kind != 'threshold'
    AND (empty({models:Array(String)}) OR served_model IN {models:Array(String)})
    AND (empty({tiers:Array(String)}) OR tier IN {tiers:Array(String)})
    AND (empty({providers:Array(String)}) OR provider IN {providers:Array(String)})
    AND (empty({keys:Array(String)}) OR root_key_id IN {keys:Array(String)})
    AND (empty({tags:Array(String)}) OR tag IN {tags:Array(String)})
    AND (empty({outcomes:Array(String)}) OR outcome IN {outcomes:Array(String)})
ORDER BY admitted_at DESC, UUIDToNum(event_id) DESC
LIMIT {limit:UInt32}
