-- Events that were recorded but are not stored, stored but never recorded, or stored more than once as they
-- count. One part of the ids at a time, so that ten million of them need little memory. FINAL: a place in the
-- log is one record, whether its parts are merged yet or not.
SELECT event_id, countIf(is_record) AS records, countIf(NOT is_record) AS rows
FROM
(
    SELECT event_id, true AS is_record FROM optamil.usage_records FINAL
    WHERE cityHash64(event_id) % {parts:UInt32} = {part:UInt32}
    UNION ALL
    SELECT event_id, false AS is_record FROM optamil.usage_events FINAL
    WHERE cityHash64(event_id) % {parts:UInt32} = {part:UInt32}
)
GROUP BY event_id
HAVING rows != 1 OR records = 0
ORDER BY event_id
LIMIT 100
