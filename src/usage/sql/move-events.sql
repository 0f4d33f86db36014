-- Which of some events are here, as they count.
SELECT toString(event_id) AS id, rev, tier, toString(credits_micro) AS credits_micro_text
FROM optamil.usage_events FINAL
WHERE account_id IN {accounts:Array(String)} AND period_id IN {periods:Array(String)} AND event_id IN {events:Array(UUID)}
SETTINGS do_not_merge_across_partitions_select_final = 1
