-- The accounts that have used most of the current billing period.
SELECT account_id, toString(sum(credits_micro)) AS stored_micro
FROM optamil.usage_events FINAL
WHERE period_id = formatDateTime(now('UTC'), '%Y-%m') AND kind IN ('request', 'adjustment')
GROUP BY account_id
ORDER BY sum(credits_micro) DESC, account_id
LIMIT 20
