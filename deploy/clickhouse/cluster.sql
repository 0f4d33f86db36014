-- Tables and views as 'optamil migrate' makes them, to read or to make beforehand; written by 'npm run generate'.
-- Repeating it changes nothing. 'optamil migrate' is run all the same: it writes the version and this warehouse's id.
-- Of a cluster called 'main', whose servers have the macros {shard} and {replica}: sed "s/'main'/'yours'/" for another.

-- Everything of Optamil lies in one database, which analysts get as their default.
CREATE DATABASE IF NOT EXISTS optamil ON CLUSTER 'main';

-- Which versions of the schema were made here; the highest is the present one.
CREATE TABLE IF NOT EXISTS optamil.schema_versions ON CLUSTER 'main'
(
    version UInt32,
    made_at DateTime DEFAULT now()
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/all', '{replica}')
ORDER BY version;

-- Columns that came after the table was made for the first time.
ALTER TABLE optamil.schema_versions ON CLUSTER 'main'
    ADD COLUMN IF NOT EXISTS oldest UInt32 DEFAULT version COMMENT 'Programs that know this version or a later one work with it';

-- Which warehouse this is: a random id from its making, which a backup keeps. The oldest row counts.
CREATE TABLE IF NOT EXISTS optamil.warehouse_ids ON CLUSTER 'main'
(
    id UUID DEFAULT generateUUIDv4(),
    made_at DateTime64(6, 'UTC') DEFAULT now64(6)
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/all', '{replica}')
ORDER BY made_at;

-- One row for each usage event; of the rows of one event the highest rev counts (FINAL, or the view usage).
-- Every column of the key is fixed at admission, so all rows of an event lie in one partition.
-- fsync_*: the offset of a batch is committed after its insert, so the rows must survive a power cut too.
CREATE TABLE IF NOT EXISTS optamil.usage_events_local ON CLUSTER 'main'
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
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}', rev)
PARTITION BY period_id
ORDER BY (account_id, period_id, UUIDToNum(event_id))
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS optamil.usage_events ON CLUSTER 'main' AS optamil.usage_events_local
ENGINE = Distributed('main', 'optamil', 'usage_events_local', cityHash64(account_id));

-- Columns that came after the table was made for the first time. What was there before has their defaults.
ALTER TABLE optamil.usage_events_local ON CLUSTER 'main'
    ADD COLUMN IF NOT EXISTS tag LowCardinality(String) COMMENT 'What the client calls the work; empty: nothing',
    ADD COLUMN IF NOT EXISTS root_key_id LowCardinality(String) DEFAULT key_id COMMENT 'First key of the line that rotations have made',
    ADD COLUMN IF NOT EXISTS budgets Array(Tuple(id String, limit_micro Int64)) COMMENT 'Budgets that the charge counts against, 10^-6 credits',
    ADD COLUMN IF NOT EXISTS threshold_percent UInt8 COMMENT 'Of kind threshold: the part of the one budget that is used',
    ADD COLUMN IF NOT EXISTS baseline_model LowCardinality(String) COMMENT 'Model of baseline_cost_nanousd; empty: the strongest on offer',
    ADD COLUMN IF NOT EXISTS estimated_prompt_tokens UInt32 COMMENT 'As the gateway estimates them: the same for the same request, whatever model answers',
    ADD COLUMN IF NOT EXISTS route_weights LowCardinality(String) COMMENT 'Weights that decided, by the start of their SHA-256; empty: the client named the model',
    ADD COLUMN IF NOT EXISTS route_quality_ppm UInt32 COMMENT 'Quality that was asked for, 10^-6',
    ADD COLUMN IF NOT EXISTS route_lambda_ppm UInt32 COMMENT 'What the price weighed against the chance of a good answer, 10^-6',
    ADD COLUMN IF NOT EXISTS route_need_ppm Int32 COMMENT 'Need of a strong model, 10^-6 standard deviations',
    ADD COLUMN IF NOT EXISTS route_chances_ppm Array(UInt32) COMMENT 'Chance of a good answer by tier, free to ultra, 10^-6',
    ADD COLUMN IF NOT EXISTS route_output_tokens UInt32 COMMENT 'Expected length of the answer',
    ADD COLUMN IF NOT EXISTS route_ranked Array(Tuple(model String, tier String, worth_ppm Int64, cost_nanousd UInt64)) COMMENT 'The chosen model, then the others, best first; expected cost at the greater of list and tier price',
    ADD COLUMN IF NOT EXISTS route_feasible UInt32 COMMENT 'Models that could serve the request',
    ADD COLUMN IF NOT EXISTS route_propensity_ppm UInt32 COMMENT 'How likely the first of route_ranked was to be chosen, 10^-6',
    ADD COLUMN IF NOT EXISTS shadow_weights LowCardinality(String) COMMENT 'Other weights that were asked the same; empty: none were',
    ADD COLUMN IF NOT EXISTS shadow_need_ppm Int32 COMMENT 'Need of a strong model as they see it, 10^-6 standard deviations',
    ADD COLUMN IF NOT EXISTS shadow_chances_ppm Array(UInt32) COMMENT 'Chance of a good answer by tier as they see it, 10^-6',
    ADD COLUMN IF NOT EXISTS shadow_output_tokens UInt32 COMMENT 'Length of the answer as they expect it',
    ADD COLUMN IF NOT EXISTS shadow_ranked Array(Tuple(model String, tier String, worth_ppm Int64, cost_nanousd UInt64)) COMMENT 'What they would have chosen, then the others, best first',
    ADD COLUMN IF NOT EXISTS operation LowCardinality(String) DEFAULT if(kind IN ('request', 'rejected'), 'chat', '') COMMENT 'Of requests and refusals: chat, embeddings',
    ADD COLUMN IF NOT EXISTS feedback_thumb LowCardinality(String) COMMENT 'Of kind feedback: up, down; empty: not said',
    ADD COLUMN IF NOT EXISTS feedback_score_ppm Nullable(UInt32) COMMENT 'Of kind feedback: how good the answer was, 10^-6; null: not said',
    ADD COLUMN IF NOT EXISTS feedback_comment String COMMENT 'Of kind feedback: in the words of the client';

-- Columns that came after the table was made for the first time. What was there before has their defaults.
ALTER TABLE optamil.usage_events ON CLUSTER 'main'
    ADD COLUMN IF NOT EXISTS tag LowCardinality(String) COMMENT 'What the client calls the work; empty: nothing',
    ADD COLUMN IF NOT EXISTS root_key_id LowCardinality(String) DEFAULT key_id COMMENT 'First key of the line that rotations have made',
    ADD COLUMN IF NOT EXISTS budgets Array(Tuple(id String, limit_micro Int64)) COMMENT 'Budgets that the charge counts against, 10^-6 credits',
    ADD COLUMN IF NOT EXISTS threshold_percent UInt8 COMMENT 'Of kind threshold: the part of the one budget that is used',
    ADD COLUMN IF NOT EXISTS baseline_model LowCardinality(String) COMMENT 'Model of baseline_cost_nanousd; empty: the strongest on offer',
    ADD COLUMN IF NOT EXISTS estimated_prompt_tokens UInt32 COMMENT 'As the gateway estimates them: the same for the same request, whatever model answers',
    ADD COLUMN IF NOT EXISTS route_weights LowCardinality(String) COMMENT 'Weights that decided, by the start of their SHA-256; empty: the client named the model',
    ADD COLUMN IF NOT EXISTS route_quality_ppm UInt32 COMMENT 'Quality that was asked for, 10^-6',
    ADD COLUMN IF NOT EXISTS route_lambda_ppm UInt32 COMMENT 'What the price weighed against the chance of a good answer, 10^-6',
    ADD COLUMN IF NOT EXISTS route_need_ppm Int32 COMMENT 'Need of a strong model, 10^-6 standard deviations',
    ADD COLUMN IF NOT EXISTS route_chances_ppm Array(UInt32) COMMENT 'Chance of a good answer by tier, free to ultra, 10^-6',
    ADD COLUMN IF NOT EXISTS route_output_tokens UInt32 COMMENT 'Expected length of the answer',
    ADD COLUMN IF NOT EXISTS route_ranked Array(Tuple(model String, tier String, worth_ppm Int64, cost_nanousd UInt64)) COMMENT 'The chosen model, then the others, best first; expected cost at the greater of list and tier price',
    ADD COLUMN IF NOT EXISTS route_feasible UInt32 COMMENT 'Models that could serve the request',
    ADD COLUMN IF NOT EXISTS route_propensity_ppm UInt32 COMMENT 'How likely the first of route_ranked was to be chosen, 10^-6',
    ADD COLUMN IF NOT EXISTS shadow_weights LowCardinality(String) COMMENT 'Other weights that were asked the same; empty: none were',
    ADD COLUMN IF NOT EXISTS shadow_need_ppm Int32 COMMENT 'Need of a strong model as they see it, 10^-6 standard deviations',
    ADD COLUMN IF NOT EXISTS shadow_chances_ppm Array(UInt32) COMMENT 'Chance of a good answer by tier as they see it, 10^-6',
    ADD COLUMN IF NOT EXISTS shadow_output_tokens UInt32 COMMENT 'Length of the answer as they expect it',
    ADD COLUMN IF NOT EXISTS shadow_ranked Array(Tuple(model String, tier String, worth_ppm Int64, cost_nanousd UInt64)) COMMENT 'What they would have chosen, then the others, best first',
    ADD COLUMN IF NOT EXISTS operation LowCardinality(String) DEFAULT if(kind IN ('request', 'rejected'), 'chat', '') COMMENT 'Of requests and refusals: chat, embeddings',
    ADD COLUMN IF NOT EXISTS feedback_thumb LowCardinality(String) COMMENT 'Of kind feedback: up, down; empty: not said',
    ADD COLUMN IF NOT EXISTS feedback_score_ppm Nullable(UInt32) COMMENT 'Of kind feedback: how good the answer was, 10^-6; null: not said',
    ADD COLUMN IF NOT EXISTS feedback_comment String COMMENT 'Of kind feedback: in the words of the client';

-- Schema version 2: from a charge to its trace.
ALTER TABLE optamil.usage_events_local ON CLUSTER 'main'
    ADD COLUMN IF NOT EXISTS trace_id String COMMENT 'W3C trace that the request belongs to, 32 hexadecimal digits; empty: none',
    ADD COLUMN IF NOT EXISTS span_id String COMMENT 'Span of the gateway in it, 16 hexadecimal digits';

-- Schema version 2: from a charge to its trace.
ALTER TABLE optamil.usage_events ON CLUSTER 'main'
    ADD COLUMN IF NOT EXISTS trace_id String COMMENT 'W3C trace that the request belongs to, 32 hexadecimal digits; empty: none',
    ADD COLUMN IF NOT EXISTS span_id String COMMENT 'Span of the gateway in it, 16 hexadecimal digits';

-- One row for each record of the usage log, kept when a later rev replaces the event: the audits' ledger.
CREATE TABLE IF NOT EXISTS optamil.usage_records_local ON CLUSTER 'main'
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
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
PARTITION BY period_id
ORDER BY (log_name, log_epoch, log_offset)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS optamil.usage_records ON CLUSTER 'main' AS optamil.usage_records_local
ENGINE = Distributed('main', 'optamil', 'usage_records_local', cityHash64(event_id));

-- Fills usage_records with every insert into usage_events. The repetition of a batch fills what a crash cut
-- off; rows that were there are replaced by their equals.
CREATE MATERIALIZED VIEW IF NOT EXISTS optamil.usage_records_feed ON CLUSTER 'main' TO optamil.usage_records_local AS
SELECT log_name, log_epoch, log_offset, gateway_id, boot_epoch, local_seq, event_id, period_id
FROM optamil.usage_events_local;

-- For analysts: each request, refusal and refund once, as it counts.
CREATE OR REPLACE VIEW optamil.usage ON CLUSTER 'main' AS
SELECT
    * EXCEPT (
        log_name, log_epoch, log_offset, boot_epoch, local_seq, threshold_percent,
        feedback_thumb, feedback_score_ppm, feedback_comment
    ),
    credits_micro / 1000000 AS credits,
    provider_cost_nanousd / 1000000000 AS provider_cost_usd,
    baseline_cost_nanousd / 1000000000 AS baseline_cost_usd,
    dateDiff('millisecond', admitted_at, finished_at) AS duration_ms
FROM optamil.usage_events FINAL
WHERE kind NOT IN ('threshold', 'feedback')
COMMENT 'Each request, refusal and refund once, as it counts; credits in credits, costs in US$';

-- For analysts: requests, tokens, credits and costs by UTC day, account, tier and model.
CREATE OR REPLACE VIEW optamil.usage_by_day ON CLUSTER 'main' AS
SELECT
    toDate(admitted_at) AS day,
    account_id,
    tier,
    served_model AS model,
    countIf(kind = 'request') AS requests,
    sum(prompt_tokens) AS prompt_tokens,
    sum(completion_tokens) AS completion_tokens,
    sum(credits_micro) / 1000000 AS credits,
    sum(provider_cost_nanousd) / 1000000000 AS provider_cost_usd,
    sum(baseline_cost_nanousd) / 1000000000 AS baseline_cost_usd
FROM optamil.usage_events FINAL
WHERE kind IN ('request', 'adjustment')
GROUP BY day, account_id, tier, model
COMMENT 'Requests, tokens, credits and costs by UTC day, account, tier and model';

-- For analysts: how long complete answers took, by UTC hour, provider and model.
CREATE OR REPLACE VIEW optamil.latency ON CLUSTER 'main' AS
SELECT
    toStartOfHour(admitted_at) AS hour,
    provider,
    served_model AS model,
    stream,
    count() AS answers,
    quantile(0.5)(ttft_ms) AS first_token_p50_ms,
    quantile(0.99)(ttft_ms) AS first_token_p99_ms,
    quantile(0.5)(dateDiff('millisecond', admitted_at, finished_at)) AS duration_p50_ms,
    quantile(0.99)(dateDiff('millisecond', admitted_at, finished_at)) AS duration_p99_ms
FROM optamil.usage_events FINAL
WHERE outcome IN ('ok', 'stream_ok') AND kind = 'request'
GROUP BY hour, provider, model, stream
COMMENT 'How long complete answers took, by UTC hour, provider and model; milliseconds';

-- For analysts: how requests ended, by UTC hour, provider and model asked for; refusals by their true number.
CREATE OR REPLACE VIEW optamil.outcomes ON CLUSTER 'main' AS
SELECT
    toStartOfHour(admitted_at) AS hour,
    outcome,
    provider,
    requested_model,
    sum(greatest(request_count, 1)) AS requests,
    sum(length(attempts)) AS attempts,
    sum(credits_micro) / 1000000 AS credits
FROM optamil.usage_events FINAL
WHERE kind IN ('request', 'rejected')
GROUP BY hour, outcome, provider, requested_model
COMMENT 'How requests ended, by UTC hour, outcome, provider and model asked for';

-- For analysts: requests, tokens and credits by billing period, account, key and tag; keys that replaced each other by
-- rotation are one.
CREATE OR REPLACE VIEW optamil.spending ON CLUSTER 'main' AS
SELECT
    period_id,
    account_id,
    root_key_id AS key_id,
    tag,
    countIf(kind = 'request') AS requests,
    sum(prompt_tokens) AS prompt_tokens,
    sum(completion_tokens) AS completion_tokens,
    sum(credits_micro) / 1000000 AS credits
FROM optamil.usage_events FINAL
WHERE kind IN ('request', 'adjustment')
GROUP BY period_id, account_id, root_key_id, tag
COMMENT 'Requests, tokens and credits by billing period, account, key and tag';

-- For analysts: when which part of a budget was used.
CREATE OR REPLACE VIEW optamil.budget_thresholds ON CLUSTER 'main' AS
SELECT
    period_id,
    account_id,
    budgets[1].id AS budget_id,
    budgets[1].limit_micro / 1000000 AS credits,
    threshold_percent AS percent,
    finished_at AS reached_at
FROM optamil.usage_events FINAL
WHERE kind = 'threshold'
COMMENT 'When 50, 80 and 100 per cent of a budget were used';

-- What clients said last of each request. Of two at one instant the one with the later id is the last, so that it is
-- the same one however often the log is replayed.
CREATE OR REPLACE VIEW optamil.last_feedback ON CLUSTER 'main' AS
SELECT
    account_id,
    ref_event_id AS event_id,
    argMax((feedback_thumb, feedback_score_ppm, feedback_comment), (finished_at, given.event_id)) AS last,
    CAST(last.1 AS String) AS thumb,
    last.2 / 1000000 AS score,
    last.3 AS comment,
    max(finished_at) AS given_at,
    count() AS times
FROM optamil.usage_events AS given FINAL
WHERE kind = 'feedback'
GROUP BY account_id, ref_event_id
COMMENT 'What clients said last of each request, by the id of its event; times: how often they said something';

-- For analysts: what clients said last of each request, beside the request.
CREATE OR REPLACE VIEW optamil.feedback ON CLUSTER 'main' AS
SELECT
    request.*,
    given.thumb AS thumb,
    given.score AS score,
    given.comment AS comment,
    given.given_at AS given_at,
    given.times AS times
FROM
(
    SELECT
        period_id, account_id, event_id, request_id, key_id, root_key_id, tag, operation, admitted_at, outcome,
        requested_model, served_model, tier, provider, credits_micro / 1000000 AS credits
    FROM optamil.usage_events FINAL
    WHERE kind = 'request'
) AS request
INNER JOIN optamil.last_feedback AS given
    ON given.account_id = request.account_id AND given.event_id = request.event_id
COMMENT 'What clients said last of each request: thumb (up, down or empty), score (0 to 1, or null), comment; times: how often they said something';

-- For analysts and for training: what became of the answers that the router chose. Where the client has said how good an
-- answer was, that is so: by its score (good from 0.5 on), else by its thumb. Of the others what clients do is a sign. A
-- request counts as made again where the same key sends one of the same estimated length under the same tag, no later
-- than two minutes after the answer.
CREATE OR REPLACE VIEW optamil.router_outcomes ON CLUSTER 'main' AS
SELECT
    answer.* EXCEPT (next_admitted_at, next_requested_model, next_tier),
    toBool(arrayExists(attempt -> attempt.error_class = 'invalid_json', attempts)) AS invalid_json,
    toBool(CAST(outcome AS String) = 'client_cancel_partial') AS left_early,
    toBool(
        estimated_prompt_tokens > 0
        AND next_admitted_at >= finished_at
        AND next_admitted_at <= finished_at + INTERVAL 120 SECOND
    ) AS retried,
    toBool(
        retried
        AND next_requested_model != 'auto'
        AND indexOf(['free', 'budget', 'mid', 'premium', 'ultra'], next_tier)
            > indexOf(['free', 'budget', 'mid', 'premium', 'ultra'], CAST(tier AS String))
    ) AS escalated,
    given.thumb AS feedback_thumb,
    given.score AS feedback_score,
    toBool(multiIf(
        isNotNull(feedback_score), assumeNotNull(feedback_score) >= 0.5,
        feedback_thumb != '', feedback_thumb = 'up',
        NOT (invalid_json OR left_early OR retried)
    )) AS good
FROM
(
    SELECT
        period_id, account_id, event_id, request_id, key_id, root_key_id, tag, admitted_at, finished_at, outcome,
        served_model, tier, completion_tokens, provider_cost_nanousd, estimated_prompt_tokens, attempts,
        route_weights, route_quality_ppm, route_chances_ppm, route_ranked, route_propensity_ppm,
        shadow_weights, shadow_chances_ppm, shadow_ranked,
        leadInFrame(admitted_at) OVER again AS next_admitted_at,
        leadInFrame(CAST(requested_model AS String)) OVER again AS next_requested_model,
        leadInFrame(CAST(tier AS String)) OVER again AS next_tier
    FROM optamil.usage_events FINAL
    WHERE kind = 'request' AND operation = 'chat'
    WINDOW again AS (
        PARTITION BY account_id, root_key_id, tag, estimated_prompt_tokens
        ORDER BY admitted_at, event_id
        ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
    )
) AS answer
LEFT JOIN optamil.last_feedback AS given
    ON given.account_id = answer.account_id AND given.event_id = answer.event_id
WHERE notEmpty(route_ranked) AND outcome IN ('ok', 'stream_ok', 'client_cancel_partial')
COMMENT 'Answers that the router chose, and what clients said and did then; good: they said so, or there is none of the signs against it';

-- For analysts: what the router saved against the account's baseline, beside the chance of a good answer that it gave up
-- for it. The interval is of chance alone: it holds as far as the weights' chances are calibrated.
CREATE OR REPLACE VIEW optamil.savings ON CLUSTER 'main' AS
SELECT
    period_id,
    account_id,
    baseline_model,
    count() AS answers,
    sum(provider_cost_nanousd) / 1000000000 AS provider_cost_usd,
    sum(baseline_cost_nanousd) / 1000000000 AS baseline_cost_usd,
    if(baseline_cost_usd = 0, 0, 100 * (1 - provider_cost_usd / baseline_cost_usd)) AS saved_percent,
    avg(chance) AS quality,
    greatest(0, quality - 1.96 * sqrt(sum(chance * (1 - chance))) / answers) AS quality_low,
    least(1, quality + 1.96 * sqrt(sum(chance * (1 - chance))) / answers) AS quality_high,
    avg(strongest) AS strongest_quality
FROM
(
    SELECT
        period_id, account_id, baseline_model, provider_cost_nanousd, baseline_cost_nanousd,
        route_chances_ppm[indexOf(['free', 'budget', 'mid', 'premium', 'ultra'], tier)] / 1000000 AS chance,
        route_chances_ppm[5] / 1000000 AS strongest
    FROM optamil.usage_events FINAL
    WHERE kind = 'request' AND outcome IN ('ok', 'stream_ok') AND notEmpty(route_chances_ppm)
)
GROUP BY period_id, account_id, baseline_model
COMMENT 'Complete answers to auto: what they cost and would have cost at the baseline, and the chance that they were good';

-- For analysts: what other weights would have chosen, beside what was chosen. Each choice is judged by both weights; the
-- Brier scores say how far either's chances for the tier that answered were from what clients did: lower is better.
CREATE OR REPLACE VIEW optamil.shadow_comparison ON CLUSTER 'main' AS
SELECT
    toDate(admitted_at) AS day,
    route_weights,
    shadow_weights,
    count() AS decisions,
    countIf(route_ranked[1].model = shadow_ranked[1].model) AS same_model,
    sum(route_ranked[1].cost_nanousd) / 1000000000 AS route_cost_usd,
    sum(shadow_ranked[1].cost_nanousd) / 1000000000 AS shadow_cost_usd,
    avg(route_chances_ppm[indexOf(tiers, route_ranked[1].tier)]) / 1000000 AS route_quality,
    avg(shadow_chances_ppm[indexOf(tiers, route_ranked[1].tier)]) / 1000000 AS route_quality_by_shadow,
    avg(shadow_chances_ppm[indexOf(tiers, shadow_ranked[1].tier)]) / 1000000 AS shadow_quality,
    avg(route_chances_ppm[indexOf(tiers, shadow_ranked[1].tier)]) / 1000000 AS shadow_quality_by_route,
    avg(pow(toUInt8(good) - route_chances_ppm[indexOf(tiers, tier)] / 1000000, 2)) AS route_brier,
    avg(pow(toUInt8(good) - shadow_chances_ppm[indexOf(tiers, tier)] / 1000000, 2)) AS shadow_brier
FROM (SELECT *, ['free', 'budget', 'mid', 'premium', 'ultra'] AS tiers FROM optamil.router_outcomes)
WHERE notEmpty(shadow_ranked)
GROUP BY day, route_weights, shadow_weights
COMMENT 'What the weights in the shadow would have chosen, by UTC day, beside what was chosen; costs as expected';

-- Prompts and answers lie in a database of their own, which no role of analysts has.
CREATE DATABASE IF NOT EXISTS optamil_content ON CLUSTER 'main';

-- What was asked and answered in requests of accounts that switched on that it is kept. Nothing reads it but the API, for the account itself.
CREATE TABLE IF NOT EXISTS optamil_content.request_contents_local ON CLUSTER 'main'
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
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}', kept_at)
PARTITION BY toDate(expires_at)
ORDER BY (account_id, request_id)
TTL toDateTime(expires_at) DELETE
SETTINGS merge_with_ttl_timeout = 3600;

CREATE TABLE IF NOT EXISTS optamil_content.request_contents ON CLUSTER 'main' AS optamil_content.request_contents_local
ENGINE = Distributed('main', 'optamil_content', 'request_contents_local', cityHash64(account_id));
