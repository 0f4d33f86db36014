-- What an account's requests came to, by group and bucket: the groups with the greatest weight, and the others as one.
-- Buckets are given by their starts, Unix seconds; what lies before `from` is the time to compare with. Rows of three
-- kinds: a group in a bucket (part 0), a group in all of them (1), all groups in all buckets (3). Groups are numbered
-- from 1, greatest first; the others have the number after the last.
SELECT
    grouping(place, bucket) AS part,
    previous,
    place,
    any(name) AS group_name,
    bucket,
    toString(sum(requests)) AS requests_sum,
    toString(sum(refused)) AS refused_sum,
    toString(sum(errors)) AS errors_sum,
    toString(sum(prompt)) AS prompt_tokens_sum,
    toString(sum(cached)) AS cached_tokens_sum,
    toString(sum(completion)) AS completion_tokens_sum,
    toString(sum(credits)) AS credits_micro_sum,
    toString(sum(provider_cost)) AS provider_cost_nanousd_sum,
    toString(sum(baseline_cost)) AS baseline_cost_nanousd_sum,
    toString(sum(answers)) AS answers_sum,
    quantilesDDMerge(0.01, 0.5, 0.99)(ttft) AS ttft_ms,
    quantilesDDMerge(0.01, 0.5, 0.99)(duration) AS duration_ms
FROM
(
    SELECT *, least(dense_rank() OVER (ORDER BY weight DESC, name), {limit:UInt32} + 1) AS place
    FROM
    (
        SELECT *, sum(if(previous, 0, toInt64({order:Identifier}))) OVER (PARTITION BY name) AS weight
        FROM
        (
            SELECT
                toString({by:Identifier}) AS name,
                roundDown(toUnixTimestamp(admitted_at), {starts:Array(UInt32)}) AS bucket,
                bucket < {from:UInt32} AS previous,
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
                quantilesDDStateIf(0.01, 0.5, 0.99)(dateDiff('millisecond', admitted_at, finished_at), kind = 'request' AND outcome IN ('ok', 'stream_ok')) AS duration,
                requests + refused AS all_requests,
                prompt + completion AS tokens
            FROM (SELECT *, '' AS nothing FROM optamil.usage_events FINAL)
            WHERE account_id = {account:String}
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
        )
    )
)
GROUP BY GROUPING SETS ((previous, place, bucket), (previous, place), (previous))
ORDER BY part DESC, previous, place, bucket
