#!lua flags=allow-oom
--#include shard.lua
-- Puts a control into dispatch, however full that is. KEYS: shard, dispatch.

local shard = open_shard(KEYS[1])
dispatch(shard, KEYS[2], #ARGV[2], 'k', 'c', 'r', ARGV[1], 'b', ARGV[2])
save_totals(shard)
return 1
