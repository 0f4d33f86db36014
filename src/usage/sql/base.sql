-- What an account has used of a period by tier, and which of the given events that includes: one look, so that
-- both are of the same moment.
SELECT
    tier,
    toString(sum(credits_micro)) AS credits_micro,
    arrayStringConcat(groupArrayIf(toString(event_id), rev > 0 AND event_id IN {events:Array(UUID)}), ',') AS included
FROM optamil.usage_events FINAL
WHERE account_id = {account:String} AND period_id = {period:String}
GROUP BY tier
