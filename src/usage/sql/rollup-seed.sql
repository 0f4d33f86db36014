-- Notes what was inserted before the rollups had their tables.
INSERT INTO optamil.usage_touched
SELECT
    account_id,
    toUInt32(intDiv(reinterpretAsUInt64(reverse(substring(CAST(UUIDToNum(event_id), 'String'), 1, 6))), 86400000)) AS id_day,
    now64(3) AS touched_at,
    count() AS rows
FROM optamil.usage_events
WHERE kind != 'threshold'
GROUP BY account_id, id_day
