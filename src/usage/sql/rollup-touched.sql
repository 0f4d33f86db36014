-- When rows of an account were last inserted, by the UTC day of their event ids, and about how many.
CREATE TABLE IF NOT EXISTS optamil.usage_touched
(
    account_id LowCardinality(String),
    id_day UInt32 COMMENT 'Days since 1970 of the time in the event id',
    touched_at SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    rows SimpleAggregateFunction(sum, UInt64) COMMENT 'Repetitions included'
)
ENGINE = AggregatingMergeTree
ORDER BY (account_id, id_day)
