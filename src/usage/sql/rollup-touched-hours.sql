-- The same by the hour of the event ids, of the last days: a day that is not over is rolled up to the end of its last whole hour.
CREATE TABLE IF NOT EXISTS optamil.usage_touched_hours
(
    account_id LowCardinality(String),
    id_hour UInt32 COMMENT 'Hours since 1970 of the time in the event id',
    touched_at SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    rows SimpleAggregateFunction(sum, UInt64) COMMENT 'Repetitions included'
)
ENGINE = AggregatingMergeTree
ORDER BY (account_id, id_hour)
TTL toDateTime(id_hour * 3600) + INTERVAL 4 DAY
