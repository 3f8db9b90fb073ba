#!lua flags=allow-oom
--#include shard.lua
--#include owner.lua
-- Holds a shard longer. KEYS: shard. ARGV: token, epoch, ttl. Answers 1, or 0 when the shard or its epoch is another's.

local shard = open_shard(KEYS[1])
if shard.epoch ~= ARGV[2] or not owns(shard, ARGV[1]) then
  return 0
end
redis.call('HSET', shard.key, 'until', whole(shard.now + tonumber(ARGV[3])))
return 1
