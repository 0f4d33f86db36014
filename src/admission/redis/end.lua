-- settle and release: 4 event, 5 tokens, 6 tier ("" for a release), 7 credits.
local eventId, tokens, tier, micro = ARGV[4], tonumber(ARGV[5]), ARGV[6], ARGV[7]
local item = find(eventId)
if not item then return { "ignored" } end
local difference = tokens - item.tokens
if difference ~= 0 then
  local ofAccount, ofKey = windowsOf(item.keyId)
  correct(ofAccount, item.at, difference)
  if item.ofKey then correct(ofKey, item.at, difference) end
end
forget(eventId, item)
local ledger = ledgerOf(item.period)
if tier ~= "" then
  if call("EXISTS", ledger) == 1 then addPending(ledger, eventId, tier, micro) end
  eachBudget(item, function(ofBudget) addPending(ofBudget, eventId, tier, micro) end)
end
return { item.state == "H" and "settled" or "settled-late" }
