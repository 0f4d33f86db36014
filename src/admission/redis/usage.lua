-- usage: the current period's id, time, held, and used by tier.
local period = periodNow()
local ledger = ledgerOf(period)
if call("EXISTS", ledger) == 0 then return { "load", period, nowMs } end
local reply = { "usage", period, nowMs, text(field(ledger, "held")) }
for _, tier in ipairs(tierNames) do
  reply[#reply + 1] = text(field(ledger, "base:" .. tier) + field(ledger, "pending:" .. tier))
end
return reply
