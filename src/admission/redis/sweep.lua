-- sweep: account "", 4 holds freed at most. Scripts run one at a time: each hold is given to one caller.
local reply = { "swept" }
local function split(name) return name:match("^([^\n]*)\n(.*)$") end
local function each(index, work)
  for _, name in ipairs(call("ZRANGEBYSCORE", index, "-inf", nowMs, "LIMIT", 0, ARGV[4])) do
    local owner, eventId = split(name)
    accountId, account = owner, root .. ":" .. owner
    open, running = account .. "=open", account .. "=running"
    work(eventId, find(eventId), name)
  end
end
each(tombs, function(eventId, item, name)
  if item and item.state == "T" then call("HDEL", open, eventId) end
  call("ZREM", tombs, name)
end)
each(leases, function(eventId, item, name)
  call("ZREM", leases, name)
  if not item then return end
  -- A reserve is no request: its gateway is gone, and nothing is to be told of it.
  if item.keyId == "" then return forget(eventId, item) end
  drop(item)
  item.state = "T"
  write(eventId, item)
  call("ZADD", tombs, nowMs + tombstoneMs, name)
  call("PEXPIRE", tombs, 2 * dayMs)
  for _, value in ipairs({ eventId, accountId, item.keyId, item.period, item.at, item.held }) do
    reply[#reply + 1] = value
  end
end)
return reply
