-- For analysts: how requests ended, by UTC hour, provider and model asked for; refusals by their true number.
CREATE OR REPLACE VIEW optamil.outcomes AS
SELECT
    toStartOfHour(admitted_at) AS hour,
    outcome,
    provider,
    requested_model,
    sum(greatest(request_count, 1)) AS requests,
    sum(length(attempts)) AS attempts,
    sum(credits_micro) / 1000000 AS credits
FROM optamil.usage_events FINAL
WHERE kind IN ('request', 'rejected')
GROUP BY hour, outcome, provider, requested_model
COMMENT 'How requests ended, by UTC hour, outcome, provider and model asked for'
