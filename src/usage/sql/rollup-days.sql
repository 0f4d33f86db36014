-- Which days have a rollup, and which one counts.
CREATE TABLE IF NOT EXISTS optamil.usage_summed
(
    account_id LowCardinality(String),
    id_day UInt32,
    made_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(made_at)
ORDER BY (account_id, id_day)
