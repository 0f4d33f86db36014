-- Takes over the admissions from before a loss, unless there were some since. At `at`: how many requests, then
-- key, time and tokens of each, oldest first; how many keys, then key and requests of the day. Gives the place
-- behind them.
local function restoreDay(w, count)
  if tonumber(count) <= dayUsed(w) then return end
  call("SET", dayKey(w), count, "PX", dayMs + minuteMs)
end
local function restoreTraffic(at)
  local ofAccount = windowsOf("")
  local isFirst = call("EXISTS", ofAccount) == 0
  local count = tonumber(ARGV[at])
  for place = at + 1, at + 3 * count, 3 do
    local _, ofKey = windowsOf(ARGV[place])
    local takenAtMs = math.min(nowMs, tonumber(ARGV[place + 1]))
    if isFirst and takenAtMs > nowMs - minuteMs then
      takeOfMinute(ofAccount, count, tonumber(ARGV[place + 2]), takenAtMs)
      takeOfMinute(ofKey, count, tonumber(ARGV[place + 2]), takenAtMs)
    end
  end
  at = at + 1 + 3 * count
  local keys, today = tonumber(ARGV[at]), 0
  for place = at + 1, at + 2 * keys, 2 do
    local _, ofKey = windowsOf(ARGV[place])
    restoreDay(ofKey, ARGV[place + 1])
    today = today + ARGV[place + 1]
  end
  restoreDay(ofAccount, today)
  return at + 1 + 2 * keys
end
