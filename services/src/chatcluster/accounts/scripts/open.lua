#!lua
-- Stores a session as "<user> <ends, ms> <name>". KEYS: session. ARGV: user, name, ttl. Answers when it ends, in ms.

local time = redis.call('TIME')
local ends = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + tonumber(ARGV[3])
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. string.format('%.0f', ends) .. ' ' .. ARGV[2], 'PX', ARGV[3])
return ends
