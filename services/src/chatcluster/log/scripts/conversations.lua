#!lua flags=allow-oom
--#include shard.lua
-- The conversations of an inbox, the last one first. KEYS: shard, conversations. ARGV: how many.

open_shard(KEYS[1])
return redis.call('ZREVRANGEBYSCORE', KEYS[2], '+inf', '-inf', 'LIMIT', 0, ARGV[1])
