-- Credits of one account. `=open` maps an event id to its record; each ledger is a hash with running sums,
-- its `:pending` maps settled ids to "tier|micro".
local open = account .. "=open"
-- How many holds each key has open.
local running = account .. "=running"
local function isLater(epoch, offset, ledger)
  local ownEpoch = field(ledger, "epoch")
  if epoch ~= ownEpoch then return epoch > ownEpoch end
  return offset > field(ledger, "offset")
end
local function parse(record)
  local state, period, held, lowest, margin, tokens, at, ofKey, keyId =
    record:match("^(.)|([^|]*)|(%d+)|(%d+)|(%d+)|(%d+)|(%d+)|(.?)|(.*)$")
  return { state = state, period = period, held = held, lowest = lowest, margin = margin,
    tokens = tonumber(tokens), at = tonumber(at), ofKey = ofKey == "1", keyId = keyId }
end
local function find(eventId)
  local record = call("HGET", open, eventId)
  return record and parse(record)
end
local function write(eventId, item)
  call("HSET", open, eventId, table.concat({ item.state, item.period, item.held, item.lowest, item.margin,
    text(item.tokens), text(item.at), item.ofKey and "1" or "", item.keyId }, "|"))
end
local function member(eventId) return accountId .. "\n" .. eventId end
local function openHold(eventId, item)
  local ledger = ledgerOf(item.period)
  write(eventId, item)
  call("ZADD", leases, nowMs + leaseMs, member(eventId))
  increase(running, item.keyId, 1)
  -- Nothing of a generation that has ended stays for ever.
  for _, key in ipairs({ open, leases, running }) do call("PEXPIRE", key, 2 * dayMs) end
  for _, name in ipairs({ "held", "lowest", "margin" }) do increase(ledger, name, item[name]) end
end
-- Gives a hold back; what was swept gave it back before.
local function drop(item)
  if item.state ~= "H" then return end
  if call("HINCRBY", running, item.keyId, -1) <= 0 then call("HDEL", running, item.keyId) end
  local ledger = ledgerOf(item.period)
  if call("EXISTS", ledger) == 0 then return end
  for _, name in ipairs({ "held", "lowest", "margin" }) do increase(ledger, name, -item[name]) end
end
local function forget(eventId, item)
  drop(item)
  call("HDEL", open, eventId)
  call("ZREM", item.state == "H" and leases or tombs, member(eventId))
end
local function addPending(ledger, eventId, tier, micro)
  if call("HSETNX", ledger .. ":pending", eventId, tier .. "|" .. micro) == 0 then return end
  increase(ledger, "pending:" .. tier, micro)
  increase(ledger, "used", micro)
  local left = call("PTTL", ledger)
  if left > 0 then call("PEXPIRE", ledger .. ":pending", left) end
end
local function dropPending(ledger, eventId)
  local usage = call("HGET", ledger .. ":pending", eventId)
  if not usage then return end
  local tier, micro = usage:match("^(%a+)|(%d+)$")
  call("HDEL", ledger .. ":pending", eventId)
  increase(ledger, "pending:" .. tier, -micro)
  increase(ledger, "used", -micro)
end
local function setVersion(ledger, epoch, offset) call("HSET", ledger, "epoch", epoch, "offset", offset) end
-- Sets the base from five arguments at `at`.
local function setBase(ledger, at)
  for index, tier in ipairs(tierNames) do
    local change = tonumber(ARGV[at + index - 1]) - field(ledger, "base:" .. tier)
    increase(ledger, "used", change)
    call("HSET", ledger, "base:" .. tier, ARGV[at + index - 1])
  end
end
