-- begin: KEYS[1] the key's hash; ARGV: digest, event, time in Unix milliseconds ("" for the server's own),
-- milliseconds for which a running try is remembered.
local call = redis.call
local nowMs = tonumber(ARGV[3])
if not nowMs then
  local time = call("TIME")
  nowMs = time[1] * 1000 + math.floor(time[2] / 1000)
end
local known = call("HMGET", KEYS[1], "digest", "state", "ends", "answer")
if known[1] and tonumber(known[3]) > nowMs then
  if known[1] ~= ARGV[1] then return { "mismatch" } end
  if known[2] == "running" then return { "running" } end
  return { "finished", known[4] }
end
call("DEL", KEYS[1])
call("HSET", KEYS[1], "digest", ARGV[1], "event", ARGV[2], "state", "running", "ends",
  string.format("%.0f", nowMs + ARGV[4]))
call("PEXPIRE", KEYS[1], ARGV[4])
return { "new" }
