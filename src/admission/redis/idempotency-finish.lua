-- finish: KEYS[1] the key's hash; ARGV: event, time ("" for the server's own), milliseconds to remember the
-- answer, and the answer unless it is not kept.
local call = redis.call
local known = call("HMGET", KEYS[1], "event", "state")
if known[1] ~= ARGV[1] or known[2] ~= "running" then return 0 end
local nowMs = tonumber(ARGV[2])
if not nowMs then
  local time = call("TIME")
  nowMs = time[1] * 1000 + math.floor(time[2] / 1000)
end
call("HSET", KEYS[1], "state", "finished", "ends", string.format("%.0f", nowMs + ARGV[3]))
if ARGV[4] then call("HSET", KEYS[1], "answer", ARGV[4]) end
call("PEXPIRE", KEYS[1], ARGV[3])
return 1
