-- rate: 4 key, 5-7 limits, 8-10 limits of the key.
return snapshot({ "rate" }, ARGV[4], limitsAt(5))
