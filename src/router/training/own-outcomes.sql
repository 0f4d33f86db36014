SELECT
    -- What router:train reads of an operator's own requests, a JSON object a line. `good` is what clients said by
    -- POST /v1/feedback, else what they did; `score` what they said in numbers, null where they did not. Replace both where
    -- you know better: by marks that people give, or by a test that the answer passes.
    request_id AS id,
    tier,
    good,
    feedback_score AS score,
    route_chances_ppm AS chances_ppm,
    arrayMap(ranked -> ranked.tier, route_ranked) AS ranked_tiers,
    -- Another model than the chosen one answers where that fails: how likely that was, nobody knows.
    if(served_model = route_ranked[1].model, route_propensity_ppm, 1000000) AS propensity_ppm,
    completion_tokens
FROM optamil.router_outcomes
ORDER BY admitted_at, event_id
