#!lua flags=allow-oom
--#include time.lua
-- Renews or ends a task's lease; the tasks that live. KEYS: tasks, a hash from name to the end in ms.
-- ARGV: name, ttl (0 ends it).

local now, ttl = clock(), tonumber(ARGV[2])
if ttl > 0 then
  redis.call('HSET', KEYS[1], ARGV[1], whole(now + ttl))
  redis.call('PEXPIRE', KEYS[1], whole(2 * ttl))
else
  redis.call('HDEL', KEYS[1], ARGV[1])
end
local living = {}
local stored = redis.call('HGETALL', KEYS[1])
for i = 1, #stored, 2 do
  if tonumber(stored[i + 1]) > now then
    living[#living + 1] = stored[i]
  else
    redis.call('HDEL', KEYS[1], stored[i])
  end
end
return living
