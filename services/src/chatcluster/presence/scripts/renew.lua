#!lua flags=allow-oom
--#include time.lua
--#include gateways.lua
-- Prolongs a lease that lives. KEYS: gateways. ARGV: incarnation, ttl. Answers 1, or 0 when it is over.

local now = clock()
local ends, address = lease(redis.call('HGET', KEYS[1], ARGV[1]))
if ends <= now then
  redis.call('HDEL', KEYS[1], ARGV[1])
  return 0
end
grant(KEYS[1], ARGV[1], address, now, tonumber(ARGV[2]))
return 1
