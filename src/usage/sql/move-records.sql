-- A page of a log's records, from an offset on.
SELECT *
FROM optamil.usage_records FINAL
WHERE log_name = {log:String} AND log_epoch = {epoch:UInt64} AND log_offset >= {from:UInt64}
ORDER BY log_offset
LIMIT {limit:UInt32}
