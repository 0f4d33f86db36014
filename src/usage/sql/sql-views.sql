-- The views that accounts can ask, with their columns in order.
SELECT
    views.name AS name,
    views.comment AS comment,
    columns.name AS column_name,
    columns.type AS column_type
FROM system.columns AS columns
INNER JOIN system.tables AS views ON views.database = columns.database AND views.name = columns.table
WHERE views.database = 'optamil' AND views.engine = 'View'
ORDER BY views.name, columns.position
