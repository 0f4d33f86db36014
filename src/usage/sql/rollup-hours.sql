-- Sums by hour and by one dimension of whole days of large accounts, made anew as a whole whenever a day's rows have changed. For charts
-- only: nothing is billed or audited from here, and the rows of a day count only with the made_at that usage_rolled has.
-- Small granules: a chart reads few rows, and states of quantiles are dear to read.
CREATE TABLE IF NOT EXISTS optamil.usage_hours
(
    account_id LowCardinality(String),
    id_day UInt32 COMMENT 'Days since 1970 of the time in the event ids',
    made_at DateTime64(3, 'UTC'),
    dimension LowCardinality(String) COMMENT 'What makes a group: none, model, tier, provider, key, tag, outcome',
    hour UInt32 COMMENT 'Start of the hour of admission, Unix seconds',
    name LowCardinality(String) COMMENT 'Of the group',
    requests UInt64,
    refused UInt64,
    errors UInt64,
    prompt UInt64,
    cached UInt64,
    completion UInt64,
    credits Int64,
    provider_cost Int64,
    baseline_cost Int64,
    answers UInt64,
    ttft AggregateFunction(quantilesDD(0.01, 0.5, 0.99), UInt32),
    duration AggregateFunction(quantilesDD(0.01, 0.5, 0.99), Int64)
)
ENGINE = ReplacingMergeTree(made_at)
ORDER BY (account_id, dimension, id_day, hour, name)
SETTINGS index_granularity = 256
