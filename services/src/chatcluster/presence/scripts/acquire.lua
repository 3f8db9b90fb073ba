#!lua flags=allow-oom
--#include time.lua
--#include gateways.lua
-- Grants a lease and ends those that lapsed or are at the same address. KEYS: gateways. ARGV: incarnation, address, ttl.

local now = clock()
local stored = redis.call('HGETALL', KEYS[1])
for i = 1, #stored, 2 do
  local ends, address = lease(stored[i + 1])
  if ends <= now or address == ARGV[2] then
    redis.call('HDEL', KEYS[1], stored[i])
  end
end
grant(KEYS[1], ARGV[1], ARGV[2], now, tonumber(ARGV[3]))
return 1
