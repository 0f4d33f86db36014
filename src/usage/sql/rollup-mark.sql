-- The seed is complete.
INSERT INTO optamil.usage_touched SELECT '', 0, now64(3), 0
