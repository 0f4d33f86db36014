-- One event as it counts.
SELECT event_id, account_id, period_id, kind, tier, toString(credits_micro) AS credits_micro
FROM optamil.usage_events FINAL
WHERE account_id = {account:String} AND event_id = {event:UUID}
