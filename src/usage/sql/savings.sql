-- What the router saved an account against each of its baselines (part 0) and against all of them (1), beside the chance
-- of a good answer that it gave up for it. As the view savings, but of any time, and exact.
SELECT
    grouping(baseline_model) AS part,
    baseline_model,
    toString(count()) AS answers,
    toString(sum(provider_cost_nanousd)) AS provider_cost_nanousd_sum,
    toString(sum(baseline_cost_nanousd)) AS baseline_cost_nanousd_sum,
    avg(chance) AS quality,
    1.96 * sqrt(sum(chance * (1 - chance))) / count() AS quality_margin,
    avg(strongest) AS strongest_quality
FROM
(
    SELECT
        baseline_model, provider_cost_nanousd, baseline_cost_nanousd,
        route_chances_ppm[indexOf(['free', 'budget', 'mid', 'premium', 'ultra'], tier)] / 1000000 AS chance,
        route_chances_ppm[5] / 1000000 AS strongest
    FROM optamil.usage_events FINAL
    WHERE account_id = {account:String}
        AND admitted_at >= fromUnixTimestamp64Micro({from:Int64}, 'UTC')
        AND admitted_at < fromUnixTimestamp64Micro({to:Int64}, 'UTC')
        AND kind = 'request'
        AND outcome IN ('ok', 'stream_ok')
        AND notEmpty(route_chances_ppm)
)
GROUP BY GROUPING SETS ((baseline_model), ())
ORDER BY part DESC, count() DESC, baseline_model
LIMIT 101
