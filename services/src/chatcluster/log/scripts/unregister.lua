#!lua flags=allow-oom
--#include shard.lua
--#include registrations.lua
-- Takes a gateway off rooms of one shard. The mark is left even where nothing was registered: a register that was sent
-- earlier may still be on its way. KEYS: shard, then registrations of each. ARGV: incarnation, number, registration ttl.

local shard = open_shard(KEYS[1])
for i = 2, #KEYS do
  hold(KEYS[i], ARGV[1], ARGV[2], '0', shard.now, tonumber(ARGV[3]))
end
return #KEYS - 1
