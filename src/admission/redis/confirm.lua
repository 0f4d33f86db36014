-- confirm: 4 period, 5 field that counts it, or "", 6 epoch, 7 offset, 8-12 base, then the ids that the sums include.
local ledger = ledgerOf(ARGV[4])
local isKnown = call("EXISTS", ledger) == 1
local target = isKnown and ledger or ledger .. ":early"
for at = 13, #ARGV do
  -- The consumer can be faster than the request: then its charge is in the base before it settles.
  local item = find(ARGV[at])
  if item then forget(ARGV[at], item) end
  if isKnown then dropPending(ledger, ARGV[at]) else call("HSET", target, "id:" .. ARGV[at], 1) end
end
local isFirst = call("HEXISTS", target, "epoch") == 0
if isFirst or isLater(tonumber(ARGV[6]), tonumber(ARGV[7]), target) then setBase(target, 8) end
if ARGV[5] ~= "" then increase(target, ARGV[5], 1) end
-- Longer than any load may take.
if not isKnown then call("PEXPIRE", target, minuteMs) end
return { "done" }
