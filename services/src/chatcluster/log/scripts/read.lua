-- Reading a room on from a position: what is common to a reader's past and the room's.

-- Lua compares strings by the server's locale; epochs are compared by their bytes.
local function sorts_after(one, other)
  for i = 1, math.min(#one, #other) do
    local a, b = string.byte(one, i), string.byte(other, i)
    if a ~= b then
      return a > b
    end
  end
  return #one > #other
end

-- The room's last epochs as {room epoch, base offset}, the oldest first.
local function chain_of(room)
  local nonce = string.match(room.epoch, '[^.]*$')
  local first = math.max(0, room.epochs - CHAIN)
  local fields, chain = {}, {}
  for k = first, room.epochs - 1 do
    fields[#fields + 1] = 'e' .. k % CHAIN
  end
  for i, link in ipairs(redis.call('HMGET', room.key, unpack(fields))) do
    local epoch, base = string.match(link, '^(%S+) (%d+)$')
    chain[i] = { epoch .. '.' .. nonce, tonumber(base) }
  end
  return chain
end

-- The last offset that the reader's past and the room's have in common, and whether that is all of the reader's.
local function common(room, chain, epoch, offset)
  if epoch == '' and offset == 0 then
    return 0, true
  end
  if epoch == room.epoch then
    return math.min(offset, room.offset), offset <= room.offset
  end
  local known, base = false, nil
  for _, link in ipairs(chain) do
    known = known or link[1] == epoch
    if not base and sorts_after(link[1], epoch) then
      base = link[2]
    end
  end
  base = base or chain[#chain][2]
  if known and offset <= base then
    return offset, true
  end
  return base, false
end

local function offset_of(entry)
  return tonumber(string.match(entry[1], '%d+'))
end

-- Publications after an offset: at most `limit`, and at most `most` bytes of bodies unless the first alone is more.
local function publications(history, after, limit, most)
  local found, size, next = {}, 0, after + 1
  while #found < limit do
    local part = redis.call('XRANGE', history, whole(next), '+', 'COUNT', math.min(limit - #found, 64))
    for _, entry in ipairs(part) do
      size = size + #entry[2][4]
      if #found > 0 and size > most then
        return found
      end
      found[#found + 1] = entry
    end
    if #part == 0 then
      return found
    end
    next = offset_of(part[#part]) + 1
  end
  return found
end

local function reversed(list)
  local other = {}
  for i = #list, 1, -1 do
    other[#other + 1] = list[i]
  end
  return other
end

-- The last publications up to an offset, bounded likewise.
local function publications_until(history, last, limit, most)
  local found, size = {}, 0
  while last > 0 and #found < limit do
    local part = redis.call('XREVRANGE', history, whole(last), '-', 'COUNT', math.min(limit - #found, 64))
    for _, entry in ipairs(part) do
      size = size + #entry[2][4]
      if #found > 0 and size > most then
        return reversed(found)
      end
      found[#found + 1] = entry
    end
    if #part == 0 then
      break
    end
    last = offset_of(part[#part]) - 1
  end
  return reversed(found)
end

-- {epoch, offset, recovered, after, chain, publications, more}; an offset below 0 asks for the newest, and `back` for
-- what is before the position.
local function read(room, history, epoch, offset, limit, most, back)
  local chain = chain_of(room)
  local gone = room.offset - redis.call('XLEN', history)
  local reached, recovered = room.offset, true
  if offset >= 0 then
    reached, recovered = common(room, chain, epoch, offset)
  end
  local found, after, more
  if offset >= 0 and not back then
    recovered = recovered and reached >= gone
    after = math.max(reached, gone)
    found = publications(history, after, limit, most)
    more = (#found > 0 and offset_of(found[#found]) or after) < room.offset
  else
    local last = back and math.max(0, math.min(reached, offset - 1)) or reached
    found = publications_until(history, last, limit, most)
    after = #found > 0 and offset_of(found[1]) - 1 or last
    more = after > gone
  end
  return { room.epoch, room.offset, recovered and 1 or 0, after, chain, found, more and 1 or 0 }
end
