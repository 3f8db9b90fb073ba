-- A room's state: its meta (a hash) and its history (a stream with an entry `<offset>-0` for each publication).
--
-- Fields of the meta: n nonce, o newest offset, z bytes of bodies in history, k how many epochs it has seen, e its shard
-- epoch, e0 ... e7 the last eight as "<shard epoch> <base offset>" in a ring, b and a tokens in the bucket and when they
-- were counted, x when the expiries were set, c<shard> the last entry of that shard that was copied into this inbox.

local CHAIN = 8
local DROP = 128

local function enter_epoch(room, shard)
  redis.call('HSET', room.key, 'e', shard.epoch, 'k', room.epochs + 1,
    'e' .. room.epochs % CHAIN, shard.epoch .. ' ' .. whole(room.offset))
  room.epochs = room.epochs + 1
end

-- The room in the shard's epoch; nil for one that never was.
local function open_room(key, shard)
  local stored = redis.call('HMGET', key, 'n', 'o', 'z', 'k', 'e', 'b', 'a', 'x')
  if not stored[1] then
    return nil
  end
  local room = {
    key = key,
    epoch = shard.epoch .. '.' .. stored[1],
    offset = tonumber(stored[2]),
    bytes = tonumber(stored[3]),
    epochs = tonumber(stored[4]),
    tokens = tonumber(stored[6]),
    counted = tonumber(stored[7] or 0),
    kept = tonumber(stored[8] or 0),
  }
  if stored[5] ~= shard.epoch then
    enter_epoch(room, shard)
  end
  return room
end

-- The nonce rises within a shard, so that of two lives of a room within one shard epoch the later has the later epoch.
local function create_room(key, history, shard, ttl)
  local nonce = string.format('%08x', redis.call('HINCRBY', shard.key, 'nonce', 1) % 4294967296)
  local room = { key = key, epoch = shard.epoch .. '.' .. nonce, offset = 0, bytes = 0, epochs = 0, counted = 0, kept = 0 }
  redis.call('DEL', history)
  redis.call('HSET', key, 'n', nonce, 'o', 0, 'z', 0)
  enter_epoch(room, shard)
  redis.call('PEXPIRE', key, ttl)
  return room
end

-- Drops from the old end what is over the bounds: by count only what is older than min_age and at most DROP at once, by
-- bytes whatever it takes.
local function trim(room, history, limits, length, now)
  local dropped, step, from, done = 0, 1, '-', false
  while not done and (room.bytes > limits.bytes or length > limits.size) do
    local old = redis.call('XRANGE', history, from, '+', 'COUNT', step)
    for _, entry in ipairs(old) do
      local young = tonumber(entry[2][2]) > now - limits.min_age
      if room.bytes <= limits.bytes and (length <= limits.size or young or dropped >= DROP) then
        done = true
        break
      end
      room.bytes = room.bytes - #entry[2][4]
      length, dropped, from = length - 1, dropped + 1, '(' .. entry[1]
    end
    done = done or #old == 0
    step = math.min(step * 2, 64)
  end
  if dropped > 0 then
    redis.call('XTRIM', history, 'MINID', '=', whole(tonumber(string.match(from, '%d+')) + 1))
  end
end

-- Sets the expiries anew, once in a hundredth of their time: on each publication they would be two more commands to
-- write to the AOF.
local function keep(room, history, limits, now)
  if now - room.kept < limits.ttl / 100 then
    return
  end
  room.kept = now
  redis.call('PEXPIRE', history, whole(limits.ttl))
  redis.call('PEXPIRE', room.key, whole(limits.ttl + 86400000))
end

-- One more publication, in history and dispatch. `from` is what it copies, as a serialized Origin, or ''.
local function append(room, history, shard, stream, limits, name, body, from)
  local now = whole(shard.now)
  room.offset = room.offset + 1
  room.bytes = room.bytes + #body
  local offset = whole(room.offset)
  if from == '' then
    redis.call('XADD', history, offset .. '-0', 't', now, 'b', body)
    dispatch(shard, stream, #body, 'k', 'p', 'r', name, 'e', room.epoch, 'o', offset, 't', now, 'b', body)
  else
    redis.call('XADD', history, offset .. '-0', 't', now, 'b', body, 's', from)
    dispatch(shard, stream, #body, 'k', 'p', 'r', name, 'e', room.epoch, 'o', offset, 't', now, 'b', body, 's', from)
  end
  local length = redis.call('XLEN', history)
  if length == 1 then
    -- What was there before may have expired, and the meta has not.
    room.bytes, room.kept = #body, 0
  end
  trim(room, history, limits, length, shard.now)
  keep(room, history, limits, shard.now)
end

local function save_room(room, ...)
  redis.call('HSET', room.key, 'o', whole(room.offset), 'z', whole(room.bytes), 'x', whole(room.kept), ...)
end
