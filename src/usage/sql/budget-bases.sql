-- What was used of budgets of keys and tags, by tier, and which of the given events that includes. Everything of the
-- key or tag in the period counts, also from before it had a budget.
SELECT
    account_id,
    period_id,
    budget_id,
    tier,
    toString(sum(credits_micro)) AS credits_micro,
    arrayStringConcat(groupArrayIf(toString(event_id), rev > 0 AND event_id IN {events:Array(UUID)}), ',') AS included
FROM
(
    SELECT
        account_id,
        period_id,
        arrayJoin([concat('key:', root_key_id), concat('tag:', tag)]) AS budget_id,
        tier,
        credits_micro,
        event_id,
        rev
    FROM optamil.usage_events FINAL
    WHERE account_id IN {accounts:Array(String)} AND period_id IN {periods:Array(String)}
)
WHERE budget_id IN {budgets:Array(String)}
GROUP BY account_id, period_id, budget_id, tier
