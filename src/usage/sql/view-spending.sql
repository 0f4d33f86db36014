-- For analysts: requests, tokens and credits by billing period, account, key and tag; keys that replaced each other by
-- rotation are one.
CREATE OR REPLACE VIEW optamil.spending AS
SELECT
    period_id,
    account_id,
    root_key_id AS key_id,
    tag,
    countIf(kind = 'request') AS requests,
    sum(prompt_tokens) AS prompt_tokens,
    sum(completion_tokens) AS completion_tokens,
    sum(credits_micro) / 1000000 AS credits
FROM optamil.usage_events FINAL
WHERE kind IN ('request', 'adjustment')
GROUP BY period_id, account_id, root_key_id, tag
COMMENT 'Requests, tokens and credits by billing period, account, key and tag'
