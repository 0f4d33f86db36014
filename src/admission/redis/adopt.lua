-- adopt: 4 period, then of a request without budgets: 5 event, 6 tier ("" for an open hold), 7 credits, 8 held, 9 lowest, 10 margin,
-- 11 tokens, 12 admitted at, 13 budgets, 14 key. What its gateway admitted before the answer came from here, as it is by now;
-- whatever the answer was: what was refused takes its places in the account's windows now. Twice is as good as once.
local eventId, tier, tokens, keyId = ARGV[5], ARGV[6], tonumber(ARGV[11]), ARGV[14]
local ledger = ledgerOf(ARGV[4])
if call("EXISTS", ledger) == 0 then return { "load", ARGV[4], nowMs, "" } end
local item = find(eventId)
local isAsHeld = item and item.state == "H" and item.period == ARGV[4] and item.held == ARGV[8]
if tier == "" and isAsHeld then return { "done" } end
local isCounted = isSeen(ledger, eventId) or call("HEXISTS", ledger .. ":pending", eventId) == 1
if item then
  local ofAccount, ofKey = windowsOf(item.keyId)
  if tier ~= "" then
    correct(ofAccount, item.at, tokens - item.tokens)
    if item.ofKey then correct(ofKey, item.at, tokens - item.tokens) end
  end
  forget(eventId, item)
elseif not isCounted then
  take(windowsOf(keyId), 1001, tokens)
end
if isCounted then return { "done" } end
if tier == "" then
  openHold(eventId, { state = "H", period = ARGV[4], held = ARGV[8], lowest = ARGV[9], margin = ARGV[10],
    tokens = item and item.tokens or tokens, at = item and item.at or nowMs, ofKey = item and item.ofKey or false, budgets = "", keyId = keyId })
else
  see(ledger, eventId)
  addPending(ledger, eventId, tier, ARGV[7])
end
return { "done" }
