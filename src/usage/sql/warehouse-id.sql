-- Which warehouse this is.
SELECT toString(id) AS id FROM optamil.warehouse_ids ORDER BY made_at, id LIMIT 1
