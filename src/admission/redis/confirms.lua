-- confirms: 4 ledger. How many confirmations have come in this generation, whether the ledger is there or not yet.
local ledger = ledgerOf(ARGV[4])
if call("EXISTS", ledger) == 0 then ledger = ledger .. ":early" end
return { field(ledger, "confirms") }
