-- Which records of a log are here, between two offsets.
SELECT DISTINCT toString(log_offset) AS place
FROM optamil.usage_records
WHERE log_name = {log:String} AND log_epoch = {epoch:UInt64} AND log_offset BETWEEN {from:UInt64} AND {to:UInt64}
