-- For analysts: what the router saved against the account's baseline, beside the chance of a good answer that it gave up
-- for it. The interval is of chance alone: it holds as far as the weights' chances are calibrated.
CREATE OR REPLACE VIEW optamil.savings AS
SELECT
    period_id,
    account_id,
    baseline_model,
    count() AS answers,
    sum(provider_cost_nanousd) / 1000000000 AS provider_cost_usd,
    sum(baseline_cost_nanousd) / 1000000000 AS baseline_cost_usd,
    if(baseline_cost_usd = 0, 0, 100 * (1 - provider_cost_usd / baseline_cost_usd)) AS saved_percent,
    avg(chance) AS quality,
    greatest(0, quality - 1.96 * sqrt(sum(chance * (1 - chance))) / answers) AS quality_low,
    least(1, quality + 1.96 * sqrt(sum(chance * (1 - chance))) / answers) AS quality_high,
    avg(strongest) AS strongest_quality
FROM
(
    SELECT
        period_id, account_id, baseline_model, provider_cost_nanousd, baseline_cost_nanousd,
        route_chances_ppm[indexOf(['free', 'budget', 'mid', 'premium', 'ultra'], tier)] / 1000000 AS chance,
        route_chances_ppm[5] / 1000000 AS strongest
    FROM optamil.usage_events FINAL
    WHERE kind = 'request' AND outcome IN ('ok', 'stream_ok') AND notEmpty(route_chances_ppm)
)
GROUP BY period_id, account_id, baseline_model
COMMENT 'Complete answers to auto: what they cost and would have cost at the baseline, and the chance that they were good'
