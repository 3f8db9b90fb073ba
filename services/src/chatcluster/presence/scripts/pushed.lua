#!lua flags=allow-oom
--#include rooms.lua
-- Remembers what was pushed to rooms. KEYS: rooms. ARGV: the digest of each. A room that is gone is not brought back:
-- nobody would let go of it again. Answers for each whether it was remembered.

local answers = {}
for i, key in ipairs(KEYS) do
  answers[i] = redis.call('EXISTS', key)
  if answers[i] == 1 then
    redis.call('HSET', key, DIGEST, ARGV[i])
  end
end
return answers
