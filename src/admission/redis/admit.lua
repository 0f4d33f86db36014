-- admit: 4 event, 5 key, 6-8 limits, 9-11 limits of the key, 12 tokens, 13 total, 14 overdraft, 15 hold,
-- 16 lowest, 17 least hold, 18 requests of the key that may run at once ("" for any number), then the parts of the
-- key: name, requests a minute and a day of each.
local eventId, keyId, limits, tokens = ARGV[4], ARGV[5], limitsAt(6), tonumber(ARGV[12])
local total, overdraft, hold = tonumber(ARGV[13]), tonumber(ARGV[14]), tonumber(ARGV[15])
local lowest, least = tonumber(ARGV[16]), tonumber(ARGV[17])
local parts = partsAt(19, keyId)
local function admitted(item)
  return snapshot({ "admitted", item.period, item.at, item.held, item.margin }, keyId, limits, parts)
end
local function refused(reason, scope, retryAfterMs)
  return snapshot({ "refused", reason, scope, retryAfterMs }, keyId, limits, parts)
end
local period = periodNow()
local ledger = ledgerOf(period)
if call("EXISTS", ledger) == 0 then return { "load", period, nowMs } end
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
local free = left - field(ledger, "held")
if free < least then return refused("credits-held", "account", 1000) end
local held = math.min(free, hold)
local margin = math.max(0, math.min(overdraft - field(ledger, "margin"), held))
local ofKey = hasAny(limits[2]) and true or false
local item = { state = "H", period = period, held = text(held), lowest = text(lowest), margin = text(margin),
  tokens = tokens, at = nowMs, ofKey = ofKey, keyId = keyId }
openHold(eventId, item)
take(windows[1], limits[1][1], tokens)
if ofKey then take(windows[2], limits[2][1], tokens) end
for _, part in ipairs(parts) do take(part.windows, part.limits[1], tokens) end
return admitted(item)
