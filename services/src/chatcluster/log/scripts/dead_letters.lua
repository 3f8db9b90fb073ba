#!lua flags=allow-oom
--#include shard.lua
-- The oldest dead letters. KEYS: shard, dead letters. ARGV: most. Answers {id, {'id', entry id, 'reason', reason, fields of
-- the entry}} of each.

open_shard(KEYS[1])
return redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', ARGV[1])
