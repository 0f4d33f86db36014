-- One row for each record of the usage log, kept when a later rev replaces the event: the audits' ledger.
CREATE TABLE IF NOT EXISTS optamil.usage_records
(
    log_name LowCardinality(String),
    log_epoch UInt64,
    log_offset UInt64,
    gateway_id LowCardinality(String),
    boot_epoch UInt64,
    local_seq UInt64,
    event_id UUID,
    period_id LowCardinality(String)
)
ENGINE = ReplacingMergeTree
PARTITION BY period_id
ORDER BY (log_name, log_epoch, log_offset)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
