-- Notes inserts of the last days by the hour, as usage_touched_feed does by the day.
CREATE MATERIALIZED VIEW IF NOT EXISTS optamil.usage_touched_hours_feed TO optamil.usage_touched_hours AS
SELECT
    account_id,
    toUInt32(intDiv(reinterpretAsUInt64(reverse(substring(CAST(UUIDToNum(event_id), 'String'), 1, 6))), 3600000)) AS id_hour,
    now64(3) AS touched_at,
    count() AS rows
FROM optamil.usage_events
WHERE kind NOT IN ('threshold', 'feedback')
    AND id_hour >= intDiv(toUnixTimestamp(now()), 3600) - 72
GROUP BY account_id, id_hour
