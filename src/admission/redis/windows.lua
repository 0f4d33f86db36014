-- The windows of one id. Key `w` is a hash: amounts by kind and stamp, and their running sums; the lists
-- beside it hold the stamps in order. Kinds: "r" requests, "t" tokens.
local tokensSliceMs = 1000
local function used(w, kind)
  while true do
    local stamp = call("LINDEX", w .. ":" .. kind, 0)
    if not stamp or tonumber(stamp) > nowMs - minuteMs then break end
    call("LPOP", w .. ":" .. kind)
    increase(w, kind .. "sum", -field(w, kind .. stamp))
    call("HDEL", w, kind .. stamp)
  end
  return field(w, kind .. "sum")
end
local function minuteWait(w, kind, amount, limit)
  local over = used(w, kind) + amount - limit
  if over <= 0 then return 0 end
  local size, at = call("LLEN", w .. ":" .. kind), 0
  if size == 0 then return minuteMs end
  while true do
    local stamp = call("LINDEX", w .. ":" .. kind, at)
    local amountAt = field(w, kind .. stamp)
    if over <= amountAt or at == size - 1 then return stamp + minuteMs - nowMs end
    over, at = over - amountAt, at + 1
  end
end
local function minuteState(w, kind, limit)
  local remaining = math.max(0, limit - used(w, kind))
  local last = call("LINDEX", w .. ":" .. kind, -1)
  return { limit, remaining, last and last + minuteMs - nowMs or 0 }
end
local function add(w, kind, amount, sliceMs, atMs)
  local last = tonumber(call("LINDEX", w .. ":" .. kind, -1) or 0)
  local stamp = sliceMs == 0 and atMs or math.ceil(atMs / sliceMs) * sliceMs
  stamp = text(math.max(last, stamp))
  if stamp ~= text(last) then call("RPUSH", w .. ":" .. kind, stamp) end
  increase(w, kind .. stamp, amount)
  increase(w, kind .. "sum", amount)
end
-- Changes the tokens taken at an instant, down to 0; after a minute, nothing.
local function correct(w, takenAtMs, difference)
  used(w, "t")
  if takenAtMs <= nowMs - minuteMs then return end
  local name = "t" .. text(math.ceil(takenAtMs / tokensSliceMs) * tokensSliceMs)
  local before = call("HGET", w, name)
  if not before then return end
  local change = math.max(-before, difference)
  increase(w, name, change)
  increase(w, "tsum", change)
end
local function dayKey(w) return w .. ":" .. text(math.floor(nowMs / dayMs)) end
local function dayUsed(w) return tonumber(call("GET", dayKey(w)) or 0) end
local function toMidnight() return (math.floor(nowMs / dayMs) + 1) * dayMs - nowMs end
local function takeOfMinute(w, requestsPerMinute, tokens, atMs)
  add(w, "r", 1, (requestsPerMinute or 0) > 1000 and 20 or 0, atMs)
  add(w, "t", tokens, tokensSliceMs, atMs)
  for _, key in ipairs({ w, w .. ":r", w .. ":t" }) do call("PEXPIRE", key, 2 * minuteMs + 1000) end
end
local function take(w, requestsPerMinute, tokens)
  takeOfMinute(w, requestsPerMinute, tokens, nowMs)
  call("INCR", dayKey(w))
  call("PEXPIRE", dayKey(w), dayMs + minuteMs)
end

local windowNames = { "requests-minute", "requests-day", "tokens-minute" }
local function wait(w, index, limit, tokens)
  if index == 1 then return minuteWait(w, "r", 1, limit) end
  if index == 3 then return minuteWait(w, "t", tokens, limit) end
  return dayUsed(w) < limit and 0 or toMidnight()
end
local function state(w, index, limit)
  if index == 1 then return minuteState(w, "r", limit) end
  if index == 3 then return minuteState(w, "t", limit) end
  local count = dayUsed(w)
  return { limit, math.max(0, limit - count), count == 0 and 0 or toMidnight() }
end
local function windowsOf(keyId) return account .. "=windows", account .. "=key:" .. keyId end
-- The first three arguments from `at` are the account's limits, the next three the key's ("" for none).
local function limitsAt(at)
  local limits = { {}, {} }
  for index = 1, 3 do
    limits[1][index] = tonumber(ARGV[at + index - 1])
    limits[2][index] = tonumber(ARGV[at + index + 2])
  end
  return limits
end
-- Windows within the key's, three arguments each from `at` to the end.
local function partsAt(at, keyId)
  local parts, _, ofKey = {}, windowsOf(keyId)
  for place = at, #ARGV, 3 do
    parts[#parts + 1] = { name = ARGV[place], windows = ofKey .. " " .. ARGV[place],
      limits = { tonumber(ARGV[place + 1]), tonumber(ARGV[place + 2]) } }
  end
  return parts
end
local function hasAny(limits) return limits[1] or limits[2] or limits[3] end
-- Appends each window's limit, what remains and its reset; those of the key or a part where they have less left.
local function snapshot(reply, keyId, limits, parts)
  local ofAccount, ofKey = windowsOf(keyId)
  for index = 1, 3 do
    local shown = state(ofAccount, index, limits[1][index])
    if limits[2][index] then
      local narrow = state(ofKey, index, limits[2][index])
      if narrow[2] < shown[2] then shown = narrow end
    end
    for _, part in ipairs(parts or {}) do
      local narrow = part.limits[index] and state(part.windows, index, part.limits[index])
      if narrow and narrow[2] < shown[2] then shown = narrow end
    end
    for _, number in ipairs(shown) do reply[#reply + 1] = number end
  end
  return reply
end
