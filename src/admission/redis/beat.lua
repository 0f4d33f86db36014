-- beat: KEYS[1] prefix of the first shard; ARGV: replica ("" for one that does not count), a fresh nonce, milliseconds a sign of life counts.
-- Gives the generation, made anew where keys were wiped or the server's run id is another; live replicas,
-- and those that have registered what they know in this generation ("1" as fourth argument: so has this one).
local call = redis.call
local runId = call("INFO", "server"):match("run_id:(%x+)")
local key = KEYS[1] .. ":generation"
local generation = call("GET", key)
if not generation or generation:sub(1, #runId) ~= runId then
  generation = runId .. "-" .. ARGV[2]
  call("SET", key, generation)
end
local time = call("TIME")
local nowMs = time[1] * 1000 + math.floor(time[2] / 1000)
local live, registered = KEYS[1] .. ":replicas", KEYS[1] .. ":registered:" .. generation
if ARGV[1] ~= "" then call("ZADD", live, nowMs, ARGV[1]) end
call("ZREMRANGEBYSCORE", live, "-inf", nowMs - ARGV[3])
if ARGV[4] == "1" then call("ZADD", registered, nowMs, ARGV[1]) end
call("PEXPIRE", registered, 86400000)
return { generation, math.max(1, call("ZCARD", live)), call("ZCARD", registered) }
