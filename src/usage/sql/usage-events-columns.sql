-- Columns that came after the table was made for the first time. What was there before has their defaults.
ALTER TABLE optamil.usage_events
    ADD COLUMN IF NOT EXISTS tag LowCardinality(String) COMMENT 'What the client calls the work; empty: nothing',
    ADD COLUMN IF NOT EXISTS root_key_id LowCardinality(String) DEFAULT key_id COMMENT 'First key of the line that rotations have made',
    ADD COLUMN IF NOT EXISTS budgets Array(Tuple(id String, limit_micro Int64)) COMMENT 'Budgets that the charge counts against, 10^-6 credits',
    ADD COLUMN IF NOT EXISTS threshold_percent UInt8 COMMENT 'Of kind threshold: the part of the one budget that is used'
