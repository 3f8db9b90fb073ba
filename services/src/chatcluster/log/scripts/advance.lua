#!lua flags=allow-oom
--#include shard.lua
--#include owner.lua
-- Moves the cursor on and trims behind it. KEYS: shard, dispatch. ARGV: token, epoch, id, total, bytes, retention.
-- Answers 1, or 0 when the shard or its epoch is another's.

local shard = open_shard(KEYS[1])
if shard.epoch ~= ARGV[2] or not owns(shard, ARGV[1]) then
  return 0
end
local ms, seq = split_id(ARGV[3])
local cursor_ms, cursor_seq = split_id(shard.cursor)
if is_later(ms, seq, cursor_ms, cursor_seq) then
  -- An entry whose totals could not be read brings zeros; the next one makes up for it.
  redis.call('HSET', shard.key, 'cursor', ARGV[3],
    'cursor_total', whole(math.max(shard.cursor_total, tonumber(ARGV[4]))),
    'cursor_bytes', whole(math.max(shard.cursor_bytes, tonumber(ARGV[5]))))
  local old = shard.now - tonumber(ARGV[6])
  redis.call('XTRIM', KEYS[2], 'MINID', '=', ms < old and ARGV[3] or whole(math.max(0, old)))
end
return 1
