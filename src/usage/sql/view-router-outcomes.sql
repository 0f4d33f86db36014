-- For analysts and for training: what became of the answers that the router chose. Nobody says whether an answer was
-- good; what clients do is a sign. A request counts as made again where the same key sends one of the same estimated
-- length under the same tag, no later than two minutes after the answer.
CREATE OR REPLACE VIEW optamil.router_outcomes AS
SELECT
    * EXCEPT (next_admitted_at, next_requested_model, next_tier),
    toBool(arrayExists(attempt -> attempt.error_class = 'invalid_json', attempts)) AS invalid_json,
    toBool(CAST(outcome AS String) = 'client_cancel_partial') AS left_early,
    toBool(
        estimated_prompt_tokens > 0
        AND next_admitted_at >= finished_at
        AND next_admitted_at <= finished_at + INTERVAL 120 SECOND
    ) AS retried,
    toBool(
        retried
        AND next_requested_model != 'auto'
        AND indexOf(['free', 'budget', 'mid', 'premium', 'ultra'], next_tier)
            > indexOf(['free', 'budget', 'mid', 'premium', 'ultra'], CAST(tier AS String))
    ) AS escalated,
    NOT (invalid_json OR left_early OR retried) AS good
FROM
(
    SELECT
        period_id, account_id, event_id, request_id, key_id, root_key_id, tag, admitted_at, finished_at, outcome,
        served_model, tier, completion_tokens, provider_cost_nanousd, estimated_prompt_tokens, attempts,
        route_weights, route_quality_ppm, route_chances_ppm, route_ranked, route_propensity_ppm,
        shadow_weights, shadow_chances_ppm, shadow_ranked,
        leadInFrame(admitted_at) OVER again AS next_admitted_at,
        leadInFrame(CAST(requested_model AS String)) OVER again AS next_requested_model,
        leadInFrame(CAST(tier AS String)) OVER again AS next_tier
    FROM optamil.usage_events FINAL
    WHERE kind = 'request'
    WINDOW again AS (
        PARTITION BY account_id, root_key_id, tag, estimated_prompt_tokens
        ORDER BY admitted_at, event_id
        ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
    )
)
WHERE notEmpty(route_ranked) AND outcome IN ('ok', 'stream_ok', 'client_cancel_partial')
COMMENT 'Answers that the router chose, and what clients did then; good: none of the signs against it'
