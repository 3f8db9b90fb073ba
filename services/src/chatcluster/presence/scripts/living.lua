#!lua flags=allow-oom
--#include time.lua
--#include gateways.lua
-- The leases that live: {incarnation, address, ...}. KEYS: gateways.

local now = clock()
local living = {}
local stored = redis.call('HGETALL', KEYS[1])
for i = 1, #stored, 2 do
  local ends, address = lease(stored[i + 1])
  if ends > now then
    living[#living + 1] = stored[i]
    living[#living + 1] = address
  end
end
return living
