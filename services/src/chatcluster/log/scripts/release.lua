#!lua flags=allow-oom
--#include shard.lua
--#include owner.lua
-- Gives a shard up, also in a new epoch. KEYS: shard. ARGV: token.

local shard = open_shard(KEYS[1])
if not owns(shard, ARGV[1]) then
  return 0
end
redis.call('HDEL', shard.key, 'until')
return 1
