-- For each log: how many offsets arrived, from where to where, and their sum.
SELECT
    log_name,
    toString(log_epoch) AS log_epoch,
    toString(min(log_offset)) AS first,
    toString(max(log_offset)) AS last,
    toString(count()) AS records,
    toString(sum(toUInt128(log_offset))) AS total
FROM optamil.usage_records FINAL
GROUP BY log_name, log_epoch
ORDER BY log_name, log_epoch
