-- install: 4 ledger (a period, or a budget in it), 5 milliseconds until it is forgotten, 6 epoch, 7 offset, 8-12 base, then the
-- recent traffic, then event, tier, credits of each pending event. Does nothing where the ledger is there. What was confirmed meanwhile lies in
-- `:early`, and is taken over.
local ledger = ledgerOf(ARGV[4])
if call("EXISTS", ledger) == 1 then return { "there" } end
local early = ledger .. ":early"
setVersion(ledger, ARGV[6], ARGV[7])
setBase(ledger, 8)
call("HSET", ledger, "held", 0, "lowest", 0, "margin", 0)
increase(ledger, "confirms", field(early, "confirms"))
call("PEXPIRE", ledger, ARGV[5])
for at = restoreTraffic(13), #ARGV, 3 do
  if call("HEXISTS", early, "id:" .. ARGV[at]) == 0 then
    addPending(ledger, ARGV[at], ARGV[at + 1], ARGV[at + 2])
  end
  see(ledger, ARGV[at])
end
for _, name in ipairs(call("HKEYS", early)) do
  local eventId = name:match("^id:(.*)$")
  if eventId then see(ledger, eventId) end
end
local version = call("HMGET", early, "epoch", "offset")
if version[1] and isLater(tonumber(version[1]), tonumber(version[2]), ledger) then
  setVersion(ledger, version[1], version[2])
  for _, tier in ipairs(tierNames) do
    local base = call("HGET", early, "base:" .. tier)
    increase(ledger, "used", tonumber(base) - field(ledger, "base:" .. tier))
    call("HSET", ledger, "base:" .. tier, base)
  end
end
call("DEL", early)
return { "installed" }
