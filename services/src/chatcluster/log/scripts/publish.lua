#!lua
--#include shard.lua
--#include room.lua
--#include sent.lua
-- Publishes once. KEYS: shard, dispatch, room, history, sent, created.
-- Answers {'ok' or 'repeated', epoch, offset, ms}, {'conflict'}, {'busy'}, {'quota' or 'rate', retry after ms}.

local DAY = 86400000
local name, body, digest = ARGV[1], ARGV[2], ARGV[3]
local limits = {
  size = tonumber(ARGV[4]),
  bytes = tonumber(ARGV[5]),
  ttl = tonumber(ARGV[6]),
  min_age = tonumber(ARGV[7]),
}
local remembered, entries, bytes = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local rate, burst, new_rooms, registration_ttl = tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13]), ARGV[14]

local shard = open_shard(KEYS[1])

local earlier = sent_before(KEYS[5], digest)
if earlier then
  return earlier
end

if fill(shard, entries, bytes) >= 1 then
  return { 'busy' }
end

local room = open_room(KEYS[3], shard)
local is_new = not room or room.offset == 0
if is_new and tonumber(redis.call('GET', KEYS[6]) or 0) >= new_rooms then
  return { 'quota', redis.call('PTTL', KEYS[6]) }
end

local tokens = burst
if room and room.tokens then
  tokens = math.min(burst, room.tokens + math.max(0, shard.now - room.counted) / 1000 * rate)
end
if tokens < 1 then
  return { 'rate', math.ceil((1 - tokens) / rate * 1000) }
end

-- From here on it is stored: nothing below may fail, since what a script has written is not taken back.
if is_new and redis.call('INCR', KEYS[6]) == 1 then
  redis.call('PEXPIRE', KEYS[6], DAY)
end
room = room or create_room(KEYS[3], KEYS[4], shard, registration_ttl)
append(room, KEYS[4], shard, KEYS[2], limits, name, body, '')
save_room(room, 'b', string.format('%.3f', tokens - 1), 'a', whole(shard.now))
save_totals(shard)
local position = whole(room.offset) .. ' ' .. whole(shard.now) .. ' ' .. digest .. ' ' .. room.epoch
redis.call('SET', KEYS[5], position, 'PX', remembered)
return { 'ok', room.epoch, room.offset, shard.now }
