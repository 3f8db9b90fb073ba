#!lua
--#include marking.lua
-- Sets how far a user has read a room. KEYS: the user's marks. ARGV: room, offset, epoch, most, ttl. Answers what stands
-- now, as "<offset> <epoch>".

local known = redis.call('HGET', KEYS[1], ARGV[1])
if known and has_reached(known, ARGV[2], ARGV[3]) then
  return string.match(known, '^%d+ (.*)$')
end
local mark = ARGV[2] .. ' ' .. ARGV[3]
set_mark(KEYS[1], ARGV[1], mark, ARGV[4], ARGV[5])
return mark
