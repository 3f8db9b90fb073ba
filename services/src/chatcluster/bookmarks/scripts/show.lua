#!lua
--#include marking.lua
-- Sets a user's mark in a room. KEYS: the room's marks. ARGV: user, offset, epoch, most, ttl, the user's name. Answers 1, or
-- 0 when it is no further than the known one.

local known = redis.call('HGET', KEYS[1], ARGV[1])
if known and has_reached(known, ARGV[2], ARGV[3]) then
  return 0
end
set_mark(KEYS[1], ARGV[1], ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. ARGV[6], ARGV[4], ARGV[5])
return 1
