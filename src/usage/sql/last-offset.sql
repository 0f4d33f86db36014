-- The last record of a log that is here.
SELECT count() AS records, max(log_offset) AS last_offset
FROM optamil.usage_records
WHERE log_name = {log:String} AND log_epoch = {epoch:UInt64}
