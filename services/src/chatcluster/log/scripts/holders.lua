#!lua flags=allow-oom
--#include shard.lua
--#include registrations.lua
-- Who holds rooms of one shard. KEYS: shard, then registrations of each. ARGV: registration ttl.
-- Answers {shard epoch, {incarnation, ...} of each}.

local shard = open_shard(KEYS[1])
local ttl = tonumber(ARGV[1])
local answers = { shard.epoch }
for i = 2, #KEYS do
  local holders = {}
  local stored = redis.call('HGETALL', KEYS[i])
  for j = 1, #stored, 2 do
    local _, held = registration(stored[j + 1], shard.now, ttl)
    if held then
      holders[#holders + 1] = stored[j]
    end
  end
  answers[i] = holders
end
return answers
