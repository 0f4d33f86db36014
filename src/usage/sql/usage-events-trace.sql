-- Schema version 2: from a charge to its trace.
ALTER TABLE optamil.usage_events
    ADD COLUMN IF NOT EXISTS trace_id String COMMENT 'W3C trace that the request belongs to, 32 hexadecimal digits; empty: none',
    ADD COLUMN IF NOT EXISTS span_id String COMMENT 'Span of the gateway in it, 16 hexadecimal digits'
