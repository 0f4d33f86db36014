-- Stored rows, and how many of them count.
SELECT
    toString((SELECT count() FROM optamil.usage_events)) AS rows,
    toString((SELECT count() FROM optamil.usage_events FINAL)) AS effective
