-- What an account's requests came to, by group and bucket: the groups with the greatest weight, and the others as one.
-- Buckets are given by their starts, Unix seconds; what lies before `from` is the time to compare with. Rows of three
-- kinds: a group in a bucket (part 0), a group in all of them (1), all groups in all buckets (3). Groups are numbered
-- from 1, greatest first; the others have the number after the last. Lines that end with `if` are left out where that is not
-- asked for: most of a small answer's time goes into the analysis of the statement.
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
        SELECT
            *,
            bucket < {from:UInt32} AS previous,
            requests + refused AS all_requests,
            prompt + completion AS tokens,
            sum(if(previous, 0, toInt64({order:Identifier}))) OVER (PARTITION BY name) AS weight
        FROM (/* SUMS */) AS piece
    )
)
GROUP BY GROUPING SETS ((previous, place, bucket), (previous, place), (previous))
ORDER BY part DESC, previous, place, bucket
