-- For analysts: how long complete answers took, by UTC hour, provider and model.
CREATE OR REPLACE VIEW optamil.latency AS
SELECT
    toStartOfHour(admitted_at) AS hour,
    provider,
    served_model AS model,
    stream,
    count() AS answers,
    quantile(0.5)(ttft_ms) AS first_token_p50_ms,
    quantile(0.99)(ttft_ms) AS first_token_p99_ms,
    quantile(0.5)(dateDiff('millisecond', admitted_at, finished_at)) AS duration_p50_ms,
    quantile(0.99)(dateDiff('millisecond', admitted_at, finished_at)) AS duration_p99_ms
FROM optamil.usage_events FINAL
WHERE outcome IN ('ok', 'stream_ok') AND kind = 'request'
GROUP BY hour, provider, model, stream
COMMENT 'How long complete answers took, by UTC hour, provider and model; milliseconds'
