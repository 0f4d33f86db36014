-- What each account has used, by period and tier: the accounts after the given one, in order.
SELECT account_id, period_id, tier, toString(sum(credits_micro)) AS credits_micro
FROM optamil.usage_events FINAL
WHERE tier != '' AND account_id IN (
    SELECT DISTINCT account_id FROM optamil.usage_events
    WHERE account_id > {after:String} ORDER BY account_id LIMIT {limit:UInt32}
)
GROUP BY account_id, period_id, tier
ORDER BY account_id, period_id
SETTINGS do_not_merge_across_partitions_select_final = 1
