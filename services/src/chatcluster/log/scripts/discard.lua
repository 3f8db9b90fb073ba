#!lua flags=allow-oom
--#include shard.lua
-- Throws a dead letter away. KEYS: shard, dead letters, their ids. ARGV: entry id. Answers 1, or 0 when there is none.

open_shard(KEYS[1])
local place = redis.call('HGET', KEYS[3], ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1])
return place and redis.call('XDEL', KEYS[2], place) or 0
