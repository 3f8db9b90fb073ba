#!lua flags=allow-oom
--#include shard.lua
-- Copies an entry to the dead letters, as it stands in dispatch. KEYS: shard, dispatch, dead letters, their ids (a hash,
-- to find a dispatch id among them). ARGV: id, reason, most dead letters. Answers 1, or 0 when it is there or no longer here.

open_shard(KEYS[1])
local entry = redis.call('XRANGE', KEYS[2], ARGV[1], ARGV[1])[1]
if not entry or redis.call('HEXISTS', KEYS[4], ARGV[1]) == 1 then
  return 0
end
-- Whoever wrote it may have given it any number of fields; an entry of ours has at most 18 names and values.
local written = { 'id', ARGV[1], 'reason', ARGV[2], unpack(entry[2], 1, math.min(#entry[2], 64)) }
redis.call('HSET', KEYS[4], ARGV[1], redis.call('XADD', KEYS[3], '*', unpack(written)))
local over = redis.call('XLEN', KEYS[3]) - tonumber(ARGV[3])
if over > 0 then
  for _, old in ipairs(redis.call('XRANGE', KEYS[3], '-', '+', 'COUNT', over)) do
    redis.call('HDEL', KEYS[4], old[2][2])
    redis.call('XDEL', KEYS[3], old[1])
  end
end
return 1
