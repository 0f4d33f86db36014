-- For analysts: when which part of a budget was used.
CREATE OR REPLACE VIEW optamil.budget_thresholds AS
SELECT
    period_id,
    account_id,
    budgets[1].id AS budget_id,
    budgets[1].limit_micro / 1000000 AS credits,
    threshold_percent AS percent,
    finished_at AS reached_at
FROM optamil.usage_events FINAL
WHERE kind = 'threshold'
COMMENT 'When 50, 80 and 100 per cent of a budget were used'
