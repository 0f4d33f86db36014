-- For analysts and for training: what became of the answers that the router chose. Where the client has said how good an
-- answer was, that is so: by its score (good from 0.5 on), else by its thumb. Of the others what clients do is a sign. A
-- request counts as made again where the same key sends one of the same estimated length under the same tag, no later
-- than two minutes after the answer.
CREATE OR REPLACE VIEW optamil.router_outcomes AS
SELECT
    answer.* EXCEPT (next_admitted_at, next_requested_model, next_tier),
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
    given.thumb AS feedback_thumb,
    given.score AS feedback_score,
    toBool(multiIf(
        isNotNull(feedback_score), assumeNotNull(feedback_score) >= 0.5,
        feedback_thumb != '', feedback_thumb = 'up',
        NOT (invalid_json OR left_early OR retried)
    )) AS good
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
    WHERE kind = 'request' AND operation = 'chat'
    WINDOW again AS (
        PARTITION BY account_id, root_key_id, tag, estimated_prompt_tokens
        ORDER BY admitted_at, event_id
        ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
    )
) AS answer
LEFT JOIN optamil.last_feedback AS given
    ON given.account_id = answer.account_id AND given.event_id = answer.event_id
WHERE notEmpty(route_ranked) AND outcome IN ('ok', 'stream_ok', 'client_cancel_partial')
COMMENT 'Answers that the router chose, and what clients said and did then; good: they said so, or there is none of the signs against it'
