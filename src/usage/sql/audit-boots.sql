-- For each boot of a gateway: how many sequence numbers arrived, from where to where, and their sum.
SELECT
    gateway_id,
    toString(boot_epoch) AS boot_epoch,
    toString(min(local_seq)) AS first,
    toString(max(local_seq)) AS last,
    toString(count()) AS records,
    toString(sum(toUInt128(local_seq))) AS total
FROM optamil.usage_records FINAL
GROUP BY gateway_id, boot_epoch
ORDER BY gateway_id, boot_epoch
