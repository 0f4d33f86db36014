-- Which warehouse this is: a random id from its making, which a backup keeps. The oldest row counts.
CREATE TABLE IF NOT EXISTS optamil.warehouse_ids
(
    id UUID DEFAULT generateUUIDv4(),
    made_at DateTime64(6, 'UTC') DEFAULT now64(6)
)
ENGINE = MergeTree
ORDER BY made_at
