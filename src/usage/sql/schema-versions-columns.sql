-- Columns that came after the table was made for the first time.
ALTER TABLE optamil.schema_versions
    ADD COLUMN IF NOT EXISTS oldest UInt32 DEFAULT version COMMENT 'Programs that know this version or a later one work with it'
