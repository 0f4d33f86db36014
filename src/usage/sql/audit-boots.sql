-- For each boot of a gateway: how many sequence numbers arrived, from where to where, and their sum. An event that
-- came into the log twice has its number twice, and counts once; a number that two events have counts twice.
SELECT
    gateway_id,
    toString(boot_epoch) AS boot_epoch,
    toString(min(local_seq)) AS first,
    toString(max(local_seq)) AS last,
    toString(count()) AS records,
    toString(sum(toUInt128(local_seq))) AS total
FROM
(
    SELECT gateway_id, boot_epoch, local_seq, event_id
    FROM optamil.usage_records FINAL
    GROUP BY gateway_id, boot_epoch, local_seq, event_id
)
GROUP BY gateway_id, boot_epoch
ORDER BY gateway_id, boot_epoch
SETTINGS max_bytes_before_external_group_by = 1000000000
