#!lua flags=allow-oom
--#include shard.lua
--#include room.lua
--#include read.lua
-- Reads rooms of one shard. KEYS: shard, then room and history of each. ARGV: most bytes, then epoch, offset and limit of
-- each. Answers for each what read() does, or {} for a room that never was.

local shard = open_shard(KEYS[1])
local most = tonumber(ARGV[1])
local answers = {}
for i = 1, (#KEYS - 1) / 2 do
  local key, history = KEYS[2 * i], KEYS[2 * i + 1]
  local epoch, offset, limit = ARGV[3 * i - 1], tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1])
  local room = open_room(key, shard)
  answers[i] = room and read(room, history, epoch, offset, limit, most) or {}
end
return answers
