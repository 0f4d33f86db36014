-- What every operation begins with. KEYS[1] is the shard's prefix, with its hash tag: all other keys begin
-- with it. ARGV: generation, time in Unix milliseconds ("" for the server's own), account, then its own.
local call = redis.call
local generation, accountId = ARGV[1], ARGV[3]
if call("GET", KEYS[1] .. ":generation") ~= generation then return { "lost" } end
local root = KEYS[1] .. ":" .. generation
local account = root .. ":" .. accountId
local leases, tombs = root .. "=leases", root .. "=tombs"
local leaseMs, tombstoneMs, minuteMs, dayMs = 30000, 3600000, 60000, 86400000
local tierNames = { "free", "budget", "mid", "premium", "ultra" }

local nowMs = tonumber(ARGV[2])
if not nowMs then
  local time = call("TIME")
  nowMs = time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Doubles are exact to 2^53, and %.0f writes all of their digits.
local function text(number) return string.format("%.0f", number) end
local function field(key, name) return tonumber(call("HGET", key, name) or 0) end
-- Adds to a field; -0, which Lua has and Redis does not take, becomes 0.
local function increase(key, name, by) call("HINCRBY", key, name, text(by + 0)) end
-- The ledger of a period, or of a budget in it.
local function ledgerOf(periodId, budget)
  return account .. "=ledger:" .. periodId .. (budget and "\n" .. budget or "")
end

-- Days since 1970 to year and month, and back, in the proleptic Gregorian calendar.
local function monthOf(ms)
  local days = math.floor(ms / dayMs) + 719468
  local era = math.floor(days / 146097)
  local doe = days - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local month = mp < 10 and mp + 3 or mp - 9
  return yoe + era * 400 + (month <= 2 and 1 or 0), month
end
local function periodNow()
  local year, month = monthOf(nowMs)
  return string.format("%d-%02d", year, month)
end
