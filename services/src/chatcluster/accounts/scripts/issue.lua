#!lua
-- Stores the session that a ticket stands for. KEYS: ticket. ARGV: session, ttl. Answers when it ends, in ms.

local time = redis.call('TIME')
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + tonumber(ARGV[2])
