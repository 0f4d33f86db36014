-- For analysts: what other weights would have chosen, beside what was chosen. Each choice is judged by both weights; the
-- Brier scores say how far either's chances for the tier that answered were from what clients did: lower is better.
CREATE OR REPLACE VIEW optamil.shadow_comparison AS
SELECT
    toDate(admitted_at) AS day,
    route_weights,
    shadow_weights,
    count() AS decisions,
    countIf(route_ranked[1].model = shadow_ranked[1].model) AS same_model,
    sum(route_ranked[1].cost_nanousd) / 1000000000 AS route_cost_usd,
    sum(shadow_ranked[1].cost_nanousd) / 1000000000 AS shadow_cost_usd,
    avg(route_chances_ppm[indexOf(tiers, route_ranked[1].tier)]) / 1000000 AS route_quality,
    avg(shadow_chances_ppm[indexOf(tiers, route_ranked[1].tier)]) / 1000000 AS route_quality_by_shadow,
    avg(shadow_chances_ppm[indexOf(tiers, shadow_ranked[1].tier)]) / 1000000 AS shadow_quality,
    avg(route_chances_ppm[indexOf(tiers, shadow_ranked[1].tier)]) / 1000000 AS shadow_quality_by_route,
    avg(pow(toUInt8(good) - route_chances_ppm[indexOf(tiers, tier)] / 1000000, 2)) AS route_brier,
    avg(pow(toUInt8(good) - shadow_chances_ppm[indexOf(tiers, tier)] / 1000000, 2)) AS shadow_brier
FROM (SELECT *, ['free', 'budget', 'mid', 'premium', 'ultra'] AS tiers FROM optamil.router_outcomes)
WHERE notEmpty(shadow_ranked)
GROUP BY day, route_weights, shadow_weights
COMMENT 'What the weights in the shadow would have chosen, by UTC day, beside what was chosen; costs as expected'
