-- Who is in a room: a hash from incarnation to "<number, 20 digits><touched, 13 digits><GatewayPresence>", and what was
-- last pushed to the room under names that no incarnation has, as those have a slash.

local DIGEST, PUSHED = 'pushed', 'pushed-at'

-- What counts, as {incarnation, GatewayPresence, ...}; what was left alone for too long goes.
local function reports(key, now, forget)
  local found = {}
  local stored = redis.call('HGETALL', key)
  for i = 1, #stored, 2 do
    if stored[i] ~= DIGEST and stored[i] ~= PUSHED then
      if tonumber(string.sub(stored[i + 1], 21, 33)) > now - forget then
        found[#found + 1] = stored[i]
        found[#found + 1] = string.sub(stored[i + 1], 34)
      else
        redis.call('HDEL', key, stored[i])
      end
    end
  end
  return found
end
