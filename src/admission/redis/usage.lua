-- usage: 4 budget ("" for the account's own). The current period's id, time, held, and used by tier.
local period = periodNow()
local ledger = ledgerOf(period, ARGV[4] ~= "" and ARGV[4] or nil)
if call("EXISTS", ledger) == 0 then return { "load", period, nowMs, ARGV[4] } end
local reply = { "usage", period, nowMs, text(field(ledger, "held")) }
for _, tier in ipairs(tierNames) do
  reply[#reply + 1] = text(field(ledger, "base:" .. tier) + field(ledger, "pending:" .. tier))
end
return reply
