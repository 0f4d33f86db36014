-- Which days had sums by hour alone, in earlier releases.
DROP TABLE IF EXISTS optamil.usage_rolled
