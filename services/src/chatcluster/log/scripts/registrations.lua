-- Who holds a room: a hash from incarnation to "<number>:<1 registered, 0 taken off>:<touched, ms>", numbers as 20 digits.

-- The number and the mark of a registration, unless it was left alone for so long that it counts as forgotten.
local function registration(stored, now, ttl)
  local number, held, touched = string.match(stored or '', '^(%d+):(%d):(%d+)$')
  if number and tonumber(touched) > now - ttl then
    return number, held == '1'
  end
  return nil, false
end

local function prune(key, now, ttl)
  local stored = redis.call('HGETALL', key)
  for i = 1, #stored, 2 do
    if not registration(stored[i + 1], now, ttl) then
      redis.call('HDEL', key, stored[i])
    end
  end
end

-- Whether it was taken; a number below the one that is known changes nothing.
local function hold(key, incarnation, number, held, now, ttl)
  local known = registration(redis.call('HGET', key, incarnation), now, ttl)
  if known and known > number then
    return false
  end
  if not known then
    prune(key, now, ttl)
  end
  redis.call('HSET', key, incarnation, number .. ':' .. held .. ':' .. whole(now))
  redis.call('PEXPIRE', key, whole(ttl))
  return true
end
