-- A page of a period's rows as they count, with all columns, from after an account and event.
SELECT *
FROM optamil.usage_events FINAL
WHERE period_id = {period:String}
    AND ((account_id = {account:String} AND UUIDToNum(event_id) > UUIDToNum({event:UUID})) OR account_id > {account:String})
ORDER BY account_id, period_id, UUIDToNum(event_id)
LIMIT {limit:UInt32}
SETTINGS do_not_merge_across_partitions_select_final = 1
