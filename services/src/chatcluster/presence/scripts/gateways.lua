-- Leases of gateways: a hash from incarnation to "<ends, ms>|<address>".

local function lease(stored)
  local ends, address = string.match(stored or '', '^(%d+)|(.*)$')
  return tonumber(ends or 0), address
end

-- The key outlives every lease in it, so that an empty cluster leaves nothing behind.
local function grant(key, incarnation, address, now, ttl)
  redis.call('HSET', key, incarnation, whole(now + ttl) .. '|' .. address)
  redis.call('PEXPIRE', key, whole(2 * ttl))
end
