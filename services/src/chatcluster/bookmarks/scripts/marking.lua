-- A hash of marks, "<set, ms> <offset> <epoch>" and perhaps more, of which those that were set last are kept.

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

-- Whether a line is at a position or beyond it.
local function has_reached(line, offset, epoch)
  local known_offset, known_epoch = string.match(line, '^%d+ (%d+) (%S*)')
  return sorts_after(known_epoch, epoch) or known_epoch == epoch and tonumber(known_offset) >= tonumber(offset)
end

local function forget_oldest(key)
  local oldest, when
  local lines = redis.call('HGETALL', key)
  for i = 1, #lines, 2 do
    local set = tonumber(string.match(lines[i + 1], '^%d+'))
    if not when or set < when then
      oldest, when = lines[i], set
    end
  end
  redis.call('HDEL', key, oldest)
end

-- Sets a mark that is further than the known one.
local function set_mark(key, field, mark, most, ttl)
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  local is_new = redis.call('HSET', key, field, string.format('%.0f', now) .. ' ' .. mark) == 1
  if is_new and redis.call('HLEN', key) > tonumber(most) then
    forget_oldest(key)
  end
  redis.call('PEXPIRE', key, ttl)
end
