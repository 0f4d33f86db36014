-- From now on the day's rollup counts.
INSERT INTO optamil.usage_summed
SELECT {account:String}, {day:UInt32}, fromUnixTimestamp64Milli({made_at:Int64}, 'UTC'), {until:UInt32}
