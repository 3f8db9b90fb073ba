#!lua flags=allow-oom
--#include time.lua
--#include rooms.lua
-- Takes in who is in rooms of one shard on a gateway. An empty report stays as well: an older one may still be on its way.
-- KEYS: rooms. ARGV: incarnation, forget after, then number and GatewayPresence of each. Answers for each what counts.

local now, forget = clock(), tonumber(ARGV[2])
local answers = {}
for i, key in ipairs(KEYS) do
  local number, stated = ARGV[2 * i + 1], ARGV[2 * i + 2]
  local known = redis.call('HGET', key, ARGV[1])
  if not known or string.sub(known, 1, 20) <= number then
    redis.call('HSET', key, ARGV[1], number .. whole(now) .. stated)
  end
  redis.call('PEXPIRE', key, whole(forget))
  answers[i] = reports(key, now, forget)
end
return answers
