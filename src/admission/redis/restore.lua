-- restore: 4 ledger, 5 confirmations before the base was read, then for each event: id, tier ("" for an open hold),
-- credits, held, lowest, margin, tokens, admitted at, budgets, key. What is open holds its budgets with its account. "stale" where one has come since: it may have included
-- an event that the base does not.
local ledger = ledgerOf(ARGV[4])
if call("EXISTS", ledger) == 0 then return { "load" } end
if field(ledger, "confirms") ~= tonumber(ARGV[5]) then return { "stale" } end
local period, budget = splitName(ARGV[4])
for at = 6, #ARGV, 10 do
  local eventId, tier = ARGV[at], ARGV[at + 1]
  local item = find(eventId)
  if budget then
    -- What it still holds of the budget goes with its account's part, which is handed in next.
    if tier ~= "" then addPending(ledger, eventId, tier, ARGV[at + 2]) end
  elseif tier ~= "" then
    if item then forget(eventId, item) end
    see(ledger, eventId)
    addPending(ledger, eventId, tier, ARGV[at + 2])
  elseif not (item and item.state == "H") and call("HEXISTS", ledger .. ":pending", eventId) == 0 then
    -- Swept while its gateway could not renew it, yet alive.
    if item then forget(eventId, item) end
    openHold(eventId, { state = "H", period = period, held = ARGV[at + 3], lowest = ARGV[at + 4],
      margin = ARGV[at + 5], tokens = tonumber(ARGV[at + 6]), at = tonumber(ARGV[at + 7]), ofKey = false,
      budgets = ARGV[at + 8], keyId = ARGV[at + 9] })
  end
end
return { "done" }
