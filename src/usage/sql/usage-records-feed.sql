-- Fills usage_records with every insert into usage_events. The repetition of a batch fills what a crash cut
-- off; rows that were there are replaced by their equals.
CREATE MATERIALIZED VIEW IF NOT EXISTS optamil.usage_records_feed TO optamil.usage_records AS
SELECT log_name, log_epoch, log_offset, gateway_id, boot_epoch, local_seq, event_id, period_id
FROM optamil.usage_events
