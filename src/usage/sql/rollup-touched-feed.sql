-- Notes every insert, so that a day whose rows have changed is never taken from its rollup.
CREATE MATERIALIZED VIEW IF NOT EXISTS optamil.usage_touched_feed TO optamil.usage_touched AS
SELECT
    account_id,
    toUInt32(intDiv(reinterpretAsUInt64(reverse(substring(CAST(UUIDToNum(event_id), 'String'), 1, 6))), 86400000)) AS id_day,
    now64(3) AS touched_at,
    count() AS rows
FROM optamil.usage_events
WHERE kind != 'threshold'
GROUP BY account_id, id_day
