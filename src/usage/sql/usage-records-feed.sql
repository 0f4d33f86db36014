-- Fills usage_records with every insert into usage_events. A retry with the same token repairs a feed that
-- a crash cut off; the window on the target and the insert's settings see to it that nothing doubles.
CREATE MATERIALIZED VIEW IF NOT EXISTS optamil.usage_records_feed TO optamil.usage_records AS
SELECT log_name, log_epoch, log_offset, gateway_id, boot_epoch, local_seq, event_id, period_id
FROM optamil.usage_events
