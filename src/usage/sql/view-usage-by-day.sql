-- For analysts: requests, tokens, credits and costs by UTC day, account, tier and model.
CREATE OR REPLACE VIEW optamil.usage_by_day AS
SELECT
    toDate(admitted_at) AS day,
    account_id,
    tier,
    served_model AS model,
    countIf(kind = 'request') AS requests,
    sum(prompt_tokens) AS prompt_tokens,
    sum(completion_tokens) AS completion_tokens,
    sum(credits_micro) / 1000000 AS credits,
    sum(provider_cost_nanousd) / 1000000000 AS provider_cost_usd,
    sum(baseline_cost_nanousd) / 1000000000 AS baseline_cost_usd
FROM optamil.usage_events FINAL
WHERE kind IN ('request', 'adjustment')
GROUP BY day, account_id, tier, model
COMMENT 'Requests, tokens, credits and costs by UTC day, account, tier and model'
