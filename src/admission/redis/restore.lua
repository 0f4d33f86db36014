-- restore: 4 period, 5 confirmations before the base was read, then for each event: id, tier ("" for an open hold),
-- credits, held, lowest, margin, tokens, admitted at, key. "stale" where one has come since: it may have included
-- an event that the base does not.
local ledger = ledgerOf(ARGV[4])
if call("EXISTS", ledger) == 0 then return { "load" } end
if field(ledger, "confirms") ~= tonumber(ARGV[5]) then return { "stale" } end
for at = 6, #ARGV, 9 do
  local eventId, tier = ARGV[at], ARGV[at + 1]
  local item = find(eventId)
  if tier ~= "" then
    if item then forget(eventId, item) end
    addPending(ledger, eventId, tier, ARGV[at + 2])
  elseif not (item and item.state == "H") and call("HEXISTS", ledger .. ":pending", eventId) == 0 then
    -- Swept while its gateway could not renew it, yet alive.
    if item then forget(eventId, item) end
    openHold(eventId, { state = "H", period = ARGV[4], held = ARGV[at + 3], lowest = ARGV[at + 4],
      margin = ARGV[at + 5], tokens = tonumber(ARGV[at + 6]), at = tonumber(ARGV[at + 7]), ofKey = false,
      keyId = ARGV[at + 8] })
  end
end
return { "done" }
