#!lua
-- Puts a session on its user's list, a hash from session to "<created, ms> <ends, ms>", takes off those that are over,
-- and keeps the list until the last of them is. KEYS: list. ARGV: session, ttl.

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local last = now + tonumber(ARGV[2])
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f %.0f', now, last))
end
local lines = redis.call('HGETALL', KEYS[1])
for i = 1, #lines, 2 do
  local ends = tonumber(string.match(lines[i + 1], '%d+$'))
  if ends <= now then
    redis.call('HDEL', KEYS[1], lines[i])
  end
  last = math.max(last, ends)
end
-- A minute longer: a session is stored after it was listed, and perhaps by another server's clock.
redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', last + 60000))
return 1
