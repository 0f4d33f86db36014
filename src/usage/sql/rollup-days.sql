-- Which days have a rollup, which one counts, and how much of the day it has.
CREATE TABLE IF NOT EXISTS optamil.usage_summed
(
    account_id LowCardinality(String),
    id_day UInt32,
    made_at DateTime64(3, 'UTC'),
    until_hour UInt32 COMMENT 'Hours since 1970: the first one of the time in the event ids that it does not have'
)
ENGINE = ReplacingMergeTree(made_at)
ORDER BY (account_id, id_day)
