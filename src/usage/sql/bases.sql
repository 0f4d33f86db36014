-- What accounts have used of periods by tier, and which of the given events that includes: one look, so that both
-- are of the same moment.
SELECT
    account_id,
    period_id,
    tier,
    toString(sum(credits_micro)) AS credits_micro,
    arrayStringConcat(groupArrayIf(toString(event_id), rev > 0 AND event_id IN {events:Array(UUID)}), ',') AS included
FROM optamil.usage_events FINAL
WHERE account_id IN {accounts:Array(String)} AND period_id IN {periods:Array(String)}
GROUP BY account_id, period_id, tier
