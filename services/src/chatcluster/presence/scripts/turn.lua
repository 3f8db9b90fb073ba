#!lua flags=allow-oom
--#include time.lua
--#include rooms.lua
-- Takes rooms' turns to push what differs from the last push. KEYS: rooms. ARGV: interval, then the digest of each.
-- Answers for each 0 (it does not differ), 1 (it is this caller's turn) or 2 (the turn was taken just now).

local now = clock()
local answers = {}
for i, key in ipairs(KEYS) do
  local pushed = redis.call('HMGET', key, DIGEST, PUSHED)
  if (pushed[1] or '') == ARGV[i + 1] then
    answers[i] = 0
  elseif pushed[2] and now - tonumber(pushed[2]) < tonumber(ARGV[1]) then
    answers[i] = 2
  else
    redis.call('HSET', key, PUSHED, whole(now))
    answers[i] = 1
  end
end
return answers
