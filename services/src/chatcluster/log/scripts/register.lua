#!lua flags=allow-oom
--#include shard.lua
--#include room.lua
--#include read.lua
--#include registrations.lua
-- Registers a gateway for rooms of one shard, and reads them. KEYS: shard, then room, history and registrations of each.
-- ARGV: incarnation, number, registration ttl, most bytes, then epoch, offset and limit of each.
-- Answers {shard epoch, last stream id, {accepted, what read() answers or {}} of each}.

local incarnation, number, ttl, most = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])

local shard = open_shard(KEYS[1])
local answers = { shard.epoch, shard.last }
for i = 1, (#KEYS - 1) / 3 do
  local key, history, registrations = KEYS[3 * i - 1], KEYS[3 * i], KEYS[3 * i + 1]
  local epoch, offset, limit = ARGV[3 * i + 2], tonumber(ARGV[3 * i + 3]), tonumber(ARGV[3 * i + 4])
  local room = open_room(key, shard)
  local accepted = hold(registrations, incarnation, number, '1', shard.now, ttl)
  if accepted then
    room = room or create_room(key, history, shard, whole(ttl))
    redis.call('PEXPIRE', key, whole(ttl), 'GT')
  end
  answers[i + 2] = { accepted and 1 or 0, room and read(room, history, epoch, offset, limit, most) or {} }
end
return answers
