-- reserve: 4 event, 5 total, 6 wanted, 7 least, 8 share. Holds credits of which a gateway admits requests ahead of its answers: of
-- what is free a share (8: an eighth) at most, as nobody else can have it, and nothing if that is less than the least. No window
-- is touched, and who asks meanwhile finds them as held, not as used.
local eventId, total, wanted, least = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local period = periodNow()
local ledger = ledgerOf(period)
if call("EXISTS", ledger) == 0 then return { "load", period, nowMs, "" } end
local held = math.min(wanted, math.floor((total - field(ledger, "used") - field(ledger, "held")) / tonumber(ARGV[8])))
if held < least or find(eventId) then return { "reserved", period, "0" } end
openHold(eventId, { state = "H", period = period, held = text(held), lowest = "0", margin = "0", tokens = 0, at = nowMs, ofKey = false,
  budgets = "", keyId = "" })
return { "reserved", period, text(held) }
