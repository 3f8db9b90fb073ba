#!lua flags=allow-oom
--#include shard.lua
-- How much there is to do. KEYS: shard, dispatch, dead letters. Answers {entries, bytes, age of the oldest, dead letters}.

local shard = open_shard(KEYS[1])
local first = redis.call('XRANGE', KEYS[2], '(' .. shard.cursor, '+', 'COUNT', 1)[1]
local age = first and math.max(0, shard.now - split_id(first[1])) or 0
return { shard.total - shard.cursor_total, shard.bytes - shard.cursor_bytes, age, redis.call('XLEN', KEYS[3]) }
