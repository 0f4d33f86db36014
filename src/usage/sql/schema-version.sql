-- The present version of the schema, and the oldest one whose programs work with it; no row: none was made yet. A
-- table that was made before there was `oldest` has no such column.
SELECT * FROM optamil.schema_versions ORDER BY version DESC, made_at DESC LIMIT 1
