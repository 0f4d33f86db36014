-- check: 4 ledger. Running sums of a ledger, each beside the sum of its items: used, held, margin. Takes as long as
-- the account has open and unconfirmed requests.
local ledger = ledgerOf(ARGV[4])
local period, budget = splitName(ARGV[4])
if call("EXISTS", ledger) == 0 then return { "absent" } end
local settled, held, margin = 0, 0, 0
for _, usage in ipairs(call("HVALS", ledger .. ":pending")) do
  settled = settled + tonumber(usage:match("|(%d+)$"))
end
for _, tier in ipairs(tierNames) do settled = settled + field(ledger, "base:" .. tier) end
for _, record in ipairs(call("HVALS", open)) do
  local item = parse(record)
  if item.state == "H" and item.period == period and (not budget or hasBudget(item, budget)) then
    held, margin = held + tonumber(item.held), margin + (budget and 0 or tonumber(item.margin))
  end
end
return { "checked", text(field(ledger, "used")), text(settled), text(field(ledger, "held")), text(held),
  text(field(ledger, "margin")), text(margin) }
