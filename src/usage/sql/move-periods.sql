-- Of each period: rows that came from some logs, as they count, and a fingerprint of them.
SELECT period_id, toString(count()) AS rows, toString(sum(cityHash64(event_id, rev, credits_micro))) AS fingerprint
FROM optamil.usage_events FINAL
WHERE concat(log_name, '@', toString(log_epoch)) IN {logs:Array(String)}
GROUP BY period_id
ORDER BY period_id
SETTINGS do_not_merge_across_partitions_select_final = 1
