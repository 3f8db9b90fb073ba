#!lua
--#include shard.lua
-- Puts a dead letter back into dispatch. KEYS: shard, dispatch, dead letters, their ids. ARGV: entry id.
-- Answers 1, or 0 when there is none.

local shard = open_shard(KEYS[1])
local place = redis.call('HGET', KEYS[4], ARGV[1])
local letter = place and redis.call('XRANGE', KEYS[3], place, place)[1]
if not letter then
  return 0
end
-- Behind the entry's id and the reason: its own fields, but for the totals, which are those of its new place.
local fields, size = { 'x', '1' }, 0
for i = 5, #letter[2], 2 do
  local name, value = letter[2][i], letter[2][i + 1]
  if name ~= 'n' and name ~= 'z' and name ~= 'x' then
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
  if name == 'b' then
    size = #value
  end
end
dispatch(shard, KEYS[2], size, unpack(fields))
save_totals(shard)
redis.call('XDEL', KEYS[3], letter[1])
redis.call('HDEL', KEYS[4], ARGV[1])
return 1
