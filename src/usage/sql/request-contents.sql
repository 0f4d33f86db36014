-- What was asked and answered in requests of accounts that switched on that it is kept. Nothing reads it but the API, for the account itself.
CREATE TABLE IF NOT EXISTS optamil_content.request_contents
(
    account_id String,
    request_id String,
    kept_at DateTime64(6, 'UTC') DEFAULT now64(6) COMMENT 'The last of a request counts',
    expires_at DateTime64(3, 'UTC') COMMENT 'Not shown from then on',
    prompt String CODEC(ZSTD(3)),
    answer String CODEC(ZSTD(3)),
    prompt_cut Bool COMMENT 'There was more of it',
    answer_cut Bool COMMENT 'There was more of it'
)
ENGINE = ReplacingMergeTree(kept_at)
PARTITION BY toDate(expires_at)
ORDER BY (account_id, request_id)
TTL toDateTime(expires_at) DELETE
SETTINGS merge_with_ttl_timeout = 3600
