-- Sums of whole days of large accounts by pieces of time and by one dimension, made anew as a whole whenever a day's rows have changed. For charts
-- only: nothing is billed or audited from here, and the rows of a day count only with the made_at that usage_summed has.
-- Pieces are hours, and all that begin or end with a day of UTC: a day of any zone of whole hours is two of them, as states of quantiles are dear to read.
-- Small granules for the same reason.
CREATE TABLE IF NOT EXISTS optamil.usage_sums
(
    account_id LowCardinality(String),
    dimension LowCardinality(String) COMMENT 'What makes a group: none, model, tier, provider, key, tag, outcome',
    span UInt32 COMMENT 'Length of the piece, seconds: up to a day',
    start UInt32 COMMENT 'Start of the piece with the admission, Unix seconds; whole hours',
    name LowCardinality(String) COMMENT 'Of the group',
    id_day UInt32 COMMENT 'Days since 1970 of the time in the event ids',
    made_at DateTime64(3, 'UTC'),
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
ORDER BY (account_id, dimension, span, start, name, id_day)
SETTINGS index_granularity = 64
