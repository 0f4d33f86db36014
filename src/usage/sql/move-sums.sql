-- Rows and credits by account, period and tier, of the accounts after one until another, as some boots of gateways
-- recorded them.
SELECT account_id, period_id, tier, toString(count()) AS rows, toString(sum(credits_micro)) AS credits_micro
FROM optamil.usage_events FINAL
WHERE account_id > {after:String} AND account_id <= {until:String}
    AND concat(gateway_id, '/', toString(boot_epoch)) IN {boots:Array(String)}
GROUP BY account_id, period_id, tier
ORDER BY account_id, period_id, tier
SETTINGS do_not_merge_across_partitions_select_final = 1
