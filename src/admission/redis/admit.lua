-- admit: 4 event, 5 key, 6-8 limits, 9-11 limits of the key, 12 tokens, 13 total, 14 overdraft, 15 hold,
-- 16 lowest, 17 least hold, 18 requests of the key that may run at once ("" for any number), 19 how many budgets, id and
-- limit of each, then the parts of the key: name, requests a minute and a day of each.
local eventId, keyId, limits, tokens = ARGV[4], ARGV[5], limitsAt(6), tonumber(ARGV[12])
local total, overdraft, hold = tonumber(ARGV[13]), tonumber(ARGV[14]), tonumber(ARGV[15])
local lowest, least = tonumber(ARGV[16]), tonumber(ARGV[17])
local budgetCount, budgets = tonumber(ARGV[19]), {}
local parts = partsAt(20 + 2 * budgetCount, keyId)
local function admitted(item)
  local reply = { "admitted", item.period, item.at, item.held, item.margin, budgetCount }
  for _, budget in ipairs(budgets) do reply[#reply + 1] = text(field(budget.ledger, "used")) end
  return snapshot(reply, keyId, limits, parts)
end
local function refused(reason, scope, retryAfterMs, budget)
  return snapshot({ "refused", reason, scope, retryAfterMs, budget or "" }, keyId, limits, parts)
end
local period = periodNow()
local ledger = ledgerOf(period)
if call("EXISTS", ledger) == 0 then return { "load", period, nowMs, "" } end
for at = 20, 18 + 2 * budgetCount, 2 do
  local ofBudget = ledgerOf(period, ARGV[at])
  if call("EXISTS", ofBudget) == 0 then return { "load", period, nowMs, ARGV[at] } end
  budgets[#budgets + 1] = { id = ARGV[at], ledger = ofBudget, left = tonumber(ARGV[at + 1]) - field(ofBudget, "used") }
end
local known = find(eventId)
if known and known.state == "H" then return admitted(known) end

for index, scope in ipairs({ "account", "key" }) do
  if limits[index][3] and tokens > limits[index][3] then return refused("too-large", scope, -1) end
end
local windows = { windowsOf(keyId) }
local longestMs, reason, scope = 0, nil, nil
for index, name in ipairs({ "account", "key" }) do
  for window = 1, 3 do
    local limit = limits[index][window]
    local waitMs = limit and wait(windows[index], window, limit, tokens) or 0
    if waitMs > longestMs then longestMs, reason, scope = waitMs, windowNames[window], name end
  end
end
for _, part in ipairs(parts) do
  for window = 1, 2 do
    local limit = part.limits[window]
    local waitMs = limit and wait(part.windows, window, limit, tokens) or 0
    if waitMs > longestMs then longestMs, reason, scope = waitMs, windowNames[window], part.name end
  end
end
if reason then return refused(reason, scope, longestMs) end
local runningMax = tonumber(ARGV[18])
if runningMax and field(running, keyId) >= runningMax then return refused("running", "key", 1000) end

local left = total - field(ledger, "used")
if left - field(ledger, "lowest") < least then return refused("credits", "account", -1) end
for _, budget in ipairs(budgets) do
  if budget.left - field(budget.ledger, "lowest") < least then return refused("credits", "account", -1, budget.id) end
end
local held = math.min(left - field(ledger, "held"), hold)
if held < least then return refused("credits-held", "account", 1000) end
local names = {}
for index, budget in ipairs(budgets) do
  held = math.min(budget.left - field(budget.ledger, "held"), held)
  if held < least then return refused("credits-held", "account", 1000, budget.id) end
  names[index] = budget.id
end
local margin = math.max(0, math.min(overdraft - field(ledger, "margin"), held))
local ofKey = hasAny(limits[2]) and true or false
local item = { state = "H", period = period, held = text(held), lowest = text(lowest), margin = text(margin),
  tokens = tokens, at = nowMs, ofKey = ofKey, budgets = table.concat(names, ","), keyId = keyId }
openHold(eventId, item)
take(windows[1], limits[1][1], tokens)
if ofKey then take(windows[2], limits[2][1], tokens) end
for _, part in ipairs(parts) do take(part.windows, part.limits[1], tokens) end
return admitted(item)
