-- One event as it counts.
SELECT event_id, account_id, period_id, kind, tier, toString(credits_micro) AS credits_micro,
    key_id, root_key_id, tag, toJSONString(arrayMap(budget -> (budget.id, toString(budget.limit_micro)), budgets)) AS budgets
FROM optamil.usage_events FINAL
WHERE account_id = {account:String} AND event_id = {event:UUID}
