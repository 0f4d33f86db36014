-- For analysts: each request, refusal and refund once, as it counts.
CREATE OR REPLACE VIEW optamil.usage AS
SELECT
    * EXCEPT (
        log_name, log_epoch, log_offset, boot_epoch, local_seq, threshold_percent,
        feedback_thumb, feedback_score_ppm, feedback_comment
    ),
    credits_micro / 1000000 AS credits,
    provider_cost_nanousd / 1000000000 AS provider_cost_usd,
    baseline_cost_nanousd / 1000000000 AS baseline_cost_usd,
    dateDiff('millisecond', admitted_at, finished_at) AS duration_ms
FROM optamil.usage_events FINAL
WHERE kind NOT IN ('threshold', 'feedback')
COMMENT 'Each request, refusal and refund once, as it counts; credits in credits, costs in US$'
