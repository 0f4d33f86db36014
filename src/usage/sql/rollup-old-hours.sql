-- Sums by hour alone, of earlier releases: the days are rolled up again.
DROP TABLE IF EXISTS optamil.usage_hours
