-- The last request of an account with an id, as its client saw it, and its event as it counts. Both revs of an event
-- have the same admission, so that FINAL is not needed.
SELECT event_id, account_id, period_id, kind, tier, toString(credits_micro) AS credits_micro,
    key_id, root_key_id, tag, toJSONString(arrayMap(budget -> (budget.id, toString(budget.limit_micro)), budgets)) AS budgets
FROM optamil.usage_events
WHERE account_id = {account:String} AND kind = 'request' AND request_id = {request:String}
ORDER BY admitted_at DESC, event_id DESC, rev DESC
LIMIT 1
