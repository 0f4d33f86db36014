-- forget: KEYS[1] the key's hash; ARGV: event.
local known = redis.call("HMGET", KEYS[1], "event", "state")
if known[1] == ARGV[1] and known[2] == "running" then redis.call("DEL", KEYS[1]) end
return 0
