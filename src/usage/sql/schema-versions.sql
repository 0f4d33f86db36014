-- Which versions of the schema were made here; the highest is the present one.
CREATE TABLE IF NOT EXISTS optamil.schema_versions
(
    version UInt32,
    made_at DateTime DEFAULT now()
)
ENGINE = MergeTree
ORDER BY version
