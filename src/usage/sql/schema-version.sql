-- The present version of the schema; 0: none was made yet.
SELECT max(version) AS version FROM optamil.schema_versions
