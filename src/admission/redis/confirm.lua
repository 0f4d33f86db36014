-- confirm: 4 ledger (a period, or a budget in it), 5 "" for sums of the consumers, or how many of those had come before these were read anew,
-- 6 epoch, 7 offset, 8-12 base, then the ids that the sums include. "stale" where more have come since, and "behind"
-- where the sums read anew are lower: a warehouse that was wiped fills again.
local ledger, confirms = ledgerOf(ARGV[4]), tonumber(ARGV[5])
local _, budget = splitName(ARGV[4])
local isKnown = call("EXISTS", ledger) == 1
local target = isKnown and ledger or ledger .. ":early"
if confirms then
  if not isKnown or field(ledger, "confirms") ~= confirms then return { "stale" } end
  local more = 0
  for index, tier in ipairs(tierNames) do more = more + ARGV[7 + index] - field(ledger, "base:" .. tier) end
  if more < 0 then return { "behind" } end
end
local isFirst = call("HEXISTS", target, "epoch") == 0
local isNext = isFirst or isLater(tonumber(ARGV[6]), tonumber(ARGV[7]), target)
if isNext then setVersion(target, ARGV[6], ARGV[7]) end
if isNext or confirms then setBase(target, 8) end
for at = 13, #ARGV do
  -- The consumer can be faster than the request: then its charge is in the base before it settles.
  local item = find(ARGV[at])
  if item and budget then leaveBudget(ARGV[at], item, budget) elseif item then forget(ARGV[at], item) end
  if not isKnown then
    call("HSET", target, "id:" .. ARGV[at], 1)
  elseif not dropPending(ledger, ARGV[at]) and not budget then
    see(ledger, ARGV[at])
  end
end
if not confirms then increase(target, "confirms", 1) end
-- Longer than any load may take.
if not isKnown then call("PEXPIRE", target, minuteMs) end
return { "done" }
