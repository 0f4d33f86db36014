-- For analysts: what clients said last of each request, beside the request.
CREATE OR REPLACE VIEW optamil.feedback AS
SELECT
    request.*,
    given.thumb AS thumb,
    given.score AS score,
    given.comment AS comment,
    given.given_at AS given_at,
    given.times AS times
FROM
(
    SELECT
        period_id, account_id, event_id, request_id, key_id, root_key_id, tag, operation, admitted_at, outcome,
        requested_model, served_model, tier, provider, credits_micro / 1000000 AS credits
    FROM optamil.usage_events FINAL
    WHERE kind = 'request'
) AS request
INNER JOIN optamil.last_feedback AS given
    ON given.account_id = request.account_id AND given.event_id = request.event_id
COMMENT 'What clients said last of each request: thumb (up, down or empty), score (0 to 1, or null), comment; times: how often they said something'
