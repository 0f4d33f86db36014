-- One of an account's requests, refusals and refunds as it counts, by the id of the request or of its event, with the
-- calls to providers and the router's decision. The newest, where clients have given several the same id.
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
    greatest(request_count, 1) AS requests_meant,
    attempts,
    route,
    route_weights,
    route_quality_ppm,
    route_lambda_ppm,
    route_need_ppm,
    route_chances_ppm,
    route_output_tokens,
    arrayMap(one -> (one.model, one.tier, toString(one.worth_ppm), toString(one.cost_nanousd)), route_ranked) AS ranked,
    route_feasible,
    route_propensity_ppm
FROM optamil.usage_events FINAL
WHERE account_id = {account:String}
    AND kind != 'threshold'
    AND (request_id = {request:String} OR event_id = toUUIDOrZero({request:String}))
ORDER BY admitted_at DESC, UUIDToNum(event_id) DESC
LIMIT 1
