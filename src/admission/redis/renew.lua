-- renew: account "" and pairs of account and event from 4; those of one shard.
for at = 4, #ARGV, 2 do
  call("ZADD", leases, "XX", nowMs + leaseMs, ARGV[at] .. "\n" .. ARGV[at + 1])
end
return { "done" }
