#!lua
--#include shard.lua
-- Puts an ephemeral into dispatch unless that is more than half full. KEYS: shard, dispatch. Answers 1, or 0 if dropped.

local shard = open_shard(KEYS[1])
if fill(shard, tonumber(ARGV[3]), tonumber(ARGV[4])) > 0.5 then
  return 0
end
dispatch(shard, KEYS[2], #ARGV[2], 'k', 'e', 'r', ARGV[1], 'b', ARGV[2])
save_totals(shard)
return 1
