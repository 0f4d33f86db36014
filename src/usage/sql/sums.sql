-- What the given accounts have used in the given periods, by tier. Amounts as text: they are 64 bits wide.
SELECT account_id, period_id, tier, toString(sum(credits_micro)) AS credits_micro
FROM optamil.usage_events FINAL
WHERE account_id IN {accounts:Array(String)} AND period_id IN {periods:Array(String)} AND tier != ''
GROUP BY account_id, period_id, tier
SETTINGS do_not_merge_across_partitions_select_final = 1
