#!lua flags=allow-oom
--#include shard.lua
--#include room.lua
--#include read.lua
-- Reads rooms of one shard. KEYS: shard, then room and history of each. ARGV: most bytes, then epoch, offset, limit and
-- '1' for back of each. Answers for each what read() does, or {} for a room that never was.

local shard = open_shard(KEYS[1])
local most = tonumber(ARGV[1])
local answers = {}
for i = 1, (#KEYS - 1) / 2 do
  local key, history = KEYS[2 * i], KEYS[2 * i + 1]
  local epoch, offset, limit, back = unpack(ARGV, 4 * i - 2, 4 * i + 1)
  local room = open_room(key, shard)
  answers[i] = room and read(room, history, epoch, tonumber(offset), tonumber(limit), most, back == '1') or {}
end
return answers
