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
  local state, period, held, lowest, margin, tokens, at, ofKey, budgets, keyId =
    record:match("^(.)|([^|]*)|(%d+)|(%d+)|(%d+)|(%d+)|(%d+)|(.?)|([^|]*)|(.*)$")
  return { state = state, period = period, held = held, lowest = lowest, margin = margin,
    tokens = tonumber(tokens), at = tonumber(at), ofKey = ofKey == "1", budgets = budgets, keyId = keyId }
end
-- Calls with the ledger of each budget of a request that is there.
local function eachBudget(item, work)
  for budget in item.budgets:gmatch("[^,]+") do
    local ledger = ledgerOf(item.period, budget)
    if call("EXISTS", ledger) == 1 then work(ledger, budget) end
  end
end
local function hasBudget(item, budget)
  return ("," .. item.budgets .. ","):find("," .. budget .. ",", 1, true) ~= nil
end
-- A budget reserves nothing for charges above holds: that is the account's part.
local function holdOfBudget(ledger, item, sign)
  for _, name in ipairs({ "held", "lowest" }) do increase(ledger, name, sign * item[name]) end
end
local function find(eventId)
  local record = call("HGET", open, eventId)
  return record and parse(record)
end
local function write(eventId, item)
  call("HSET", open, eventId, table.concat({ item.state, item.period, item.held, item.lowest, item.margin,
    text(item.tokens), text(item.at), item.ofKey and "1" or "", item.budgets, item.keyId }, "|"))
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
  eachBudget(item, function(ofBudget) holdOfBudget(ofBudget, item, 1) end)
end
-- Gives a hold back; what was swept gave it back before.
local function drop(item)
  if item.state ~= "H" then return end
  if call("HINCRBY", running, item.keyId, -1) <= 0 then call("HDEL", running, item.keyId) end
  eachBudget(item, function(ofBudget) holdOfBudget(ofBudget, item, -1) end)
  local ledger = ledgerOf(item.period)
  if call("EXISTS", ledger) == 0 then return end
  for _, name in ipairs({ "held", "lowest", "margin" }) do increase(ledger, name, -item[name]) end
end
local function forget(eventId, item)
  drop(item)
  call("HDEL", open, eventId)
  call("ZREM", item.state == "H" and leases or tombs, member(eventId))
end
-- Ends what a request holds of one budget, whose sums include it already: its account's may not yet.
local function leaveBudget(eventId, item, budget)
  local left, found = {}, false
  for one in item.budgets:gmatch("[^,]+") do
    if one == budget then found = true else left[#left + 1] = one end
  end
  if not found then return end
  local ledger = ledgerOf(item.period, budget)
  if item.state == "H" and call("EXISTS", ledger) == 1 then holdOfBudget(ledger, item, -1) end
  item.budgets = table.concat(left, ",")
  write(eventId, item)
end
-- Period and budget of a ledger's name; no budget: the account's own.
local function splitName(name)
  local period, budget = name:match("^([^\n]*)\n(.*)$")
  return period or name, budget
end
local function addPending(ledger, eventId, tier, micro)
  if call("HSETNX", ledger .. ":pending", eventId, tier .. "|" .. micro) == 0 then return end
  increase(ledger, "pending:" .. tier, micro)
  increase(ledger, "used", micro)
  local left = call("PTTL", ledger)
  if left > 0 then call("PEXPIRE", ledger .. ":pending", left) end
end
-- Whether there was something to drop.
local function dropPending(ledger, eventId)
  local usage = call("HGET", ledger .. ":pending", eventId)
  if not usage then return false end
  local tier, micro = usage:match("^(%a+)|(%d+)$")
  call("HDEL", ledger .. ":pending", eventId)
  increase(ledger, "pending:" .. tier, -micro)
  increase(ledger, "used", -micro)
  return true
end
-- Events that an account's ledger has counted, or a confirmation has named, though they have not settled here. A gateway that
-- tells of one later, within 15 minutes, tells nothing new.
local seenMs = 900000
local function see(ledger, eventId)
  local seen = ledger .. ":seen"
  call("ZREMRANGEBYSCORE", seen, "-inf", nowMs - seenMs)
  call("ZADD", seen, nowMs, eventId)
  call("PEXPIRE", seen, seenMs)
end
local function isSeen(ledger, eventId) return call("ZSCORE", ledger .. ":seen", eventId) ~= false end
local function setVersion(ledger, epoch, offset) call("HSET", ledger, "epoch", epoch, "offset", offset) end
-- Sets the base from five arguments at `at`.
local function setBase(ledger, at)
  for index, tier in ipairs(tierNames) do
    local change = tonumber(ARGV[at + index - 1]) - field(ledger, "base:" .. tier)
    increase(ledger, "used", change)
    call("HSET", ledger, "base:" .. tier, ARGV[at + index - 1])
  end
end
