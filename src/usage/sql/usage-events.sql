-- One row for each usage event; of the rows of one event the highest rev counts (FINAL, or the view usage).
-- Every column of the key is fixed at admission, so all rows of an event lie in one partition.
-- fsync_*: the offset of a batch is committed after its insert, so the rows must survive a power cut too.
CREATE TABLE IF NOT EXISTS optamil.usage_events
(
    account_id LowCardinality(String) COMMENT 'Whose request',
    period_id LowCardinality(String) COMMENT 'Billing month, UTC, of the admission: 2026-04',
    event_id UUID COMMENT 'UUIDv7, made at admission',
    rev UInt32 COMMENT '0 swept, 1 settled, 2 and more corrected: the highest counts',
    kind LowCardinality(String) COMMENT 'request, rejected, adjustment, threshold, feedback',
    outcome LowCardinality(String) COMMENT 'How the request ended: ok, stream_ok, client_cancel_partial, ...',
    key_id LowCardinality(String) COMMENT 'Key of the request',
    request_id String COMMENT 'x-request-id of the answer',
    request_count UInt32 COMMENT 'Requests this row stands for: refusals are sampled',
    admitted_at DateTime64(6, 'UTC'),
    finished_at DateTime64(6, 'UTC'),
    stream Bool,
    ttft_ms UInt32 COMMENT 'Admission to first content, milliseconds; 0: none came',
    http_status UInt16,
    requested_model LowCardinality(String) COMMENT 'Model asked for, auto included',
    served_model LowCardinality(String) COMMENT 'Model that answered; empty: none did',
    tier LowCardinality(String) COMMENT 'Tier of the model that answered; empty: none did',
    provider LowCardinality(String),
    route String COMMENT 'Why the router chose the model',
    prompt_tokens UInt64 COMMENT 'Cached ones included',
    cached_tokens UInt64 COMMENT 'Of the prompt',
    completion_tokens UInt64 COMMENT 'Reasoning included',
    reasoning_tokens UInt64 COMMENT 'Of the completion',
    tokens_estimated Bool COMMENT 'The provider gave no usage',
    credits_micro Int64 COMMENT 'Charge, 10^-6 credits; negative for refunds',
    hold_micro Int64 COMMENT 'Held at admission, 10^-6 credits',
    schedule_version UInt32 COMMENT 'Price schedule',
    provider_cost_nanousd Int64 COMMENT 'List cost, 10^-9 US$',
    baseline_cost_nanousd Int64 COMMENT 'List cost at the strongest model, 10^-9 US$',
    attempts Array(Tuple(model String, provider String, status UInt32, latency_ms UInt32, error_class String)) COMMENT 'Calls to providers, in order',
    ref_event_id UUID COMMENT 'Event that an adjustment corrects, or a feedback is on',
    gateway_id LowCardinality(String),
    boot_epoch UInt64 COMMENT 'Start of that gateway, Unix microseconds',
    local_seq UInt64 COMMENT 'Contiguous per boot',
    log_name LowCardinality(String) COMMENT 'Usage log, or its partition',
    log_epoch UInt64 COMMENT 'Making of that log, Unix microseconds',
    log_offset UInt64 COMMENT 'Place in that log'
)
ENGINE = ReplacingMergeTree(rev)
PARTITION BY period_id
ORDER BY (account_id, period_id, UUIDToNum(event_id))
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
