-- What clients said last of each request. Of two at one instant the one with the later id is the last, so that it is
-- the same one however often the log is replayed.
CREATE OR REPLACE VIEW optamil.last_feedback AS
SELECT
    account_id,
    ref_event_id AS event_id,
    argMax((feedback_thumb, feedback_score_ppm, feedback_comment), (finished_at, given.event_id)) AS last,
    CAST(last.1 AS String) AS thumb,
    last.2 / 1000000 AS score,
    last.3 AS comment,
    max(finished_at) AS given_at,
    count() AS times
FROM optamil.usage_events AS given FINAL
WHERE kind = 'feedback'
GROUP BY account_id, ref_event_id
COMMENT 'What clients said last of each request, by the id of its event; times: how often they said something'
