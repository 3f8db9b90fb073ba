-- A shard's state. Every script begins with open_shard: that is how a server that came back with less is noticed.

-- Lua writes large numbers as 1e+15, which Redis would not read back as an integer.
local function whole(number)
  return string.format('%.0f', number)
end

-- The 40 digits of an id in what INFO says. A plain search: a pattern takes six times as long.
local function named(info, name)
  local _, before = string.find(info, name, 1, true)
  return string.sub(info, before + 1, before + 40)
end

-- The identity is read here and never passed in: a command that is sent again would carry the old server's. The number
-- of a new epoch is above both the last one's and the clock's, so that it rises even if one of them went back; its
-- second half differs between two servers, and two shards, that draw in the same millisecond.
local function draw_epoch(key, run_id, replid, last, now)
  local number = whole(math.max(tonumber(string.sub(last or '0', 1, 13)) + 1, now))
  local epoch = string.rep('0', 13 - #number) .. number .. '.'
    .. string.sub(redis.sha1hex(key .. run_id .. replid .. number), 1, 8)
  redis.call('HSET', key, 'run_id', run_id, 'replid', replid, 'epoch', epoch)
  return epoch
end

local function open_shard(key)
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  local info = redis.call('INFO', 'server', 'replication')
  local run_id, replid = named(info, '\nrun_id:'), named(info, '\nmaster_replid:')
  local stored = redis.call('HMGET', key, 'run_id', 'replid', 'epoch', 'total', 'bytes', 'cursor_total', 'cursor_bytes',
    'cursor', 'last')
  local epoch = stored[3]
  if stored[1] ~= run_id or stored[2] ~= replid or not epoch then
    epoch = draw_epoch(key, run_id, replid, epoch, now)
  end
  return {
    key = key,
    now = now,
    epoch = epoch,
    total = tonumber(stored[4] or 0),
    bytes = tonumber(stored[5] or 0),
    cursor_total = tonumber(stored[6] or 0),
    cursor_bytes = tonumber(stored[7] or 0),
    cursor = stored[8] or '0-0',
    last = stored[9] or '0-0',
  }
end

local function split_id(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end

local function is_later(ms, seq, than_ms, than_seq)
  return ms > than_ms or (ms == than_ms and seq > than_seq)
end

-- How full dispatch is, as a part of the caps; 1 and more is full.
local function fill(shard, entries, bytes)
  return math.max((shard.total - shard.cursor_total) / entries, (shard.bytes - shard.cursor_bytes) / bytes)
end

-- The running totals go into each entry, so that the backlog is a difference of two of them and cannot drift.
local function dispatch(shard, stream, size, ...)
  shard.total = shard.total + 1
  shard.bytes = shard.bytes + size
  shard.last = redis.call('XADD', stream, '*', 'n', whole(shard.total), 'z', whole(shard.bytes), ...)
end

local function save_totals(shard)
  redis.call('HSET', shard.key, 'total', whole(shard.total), 'bytes', whole(shard.bytes), 'last', shard.last)
end
