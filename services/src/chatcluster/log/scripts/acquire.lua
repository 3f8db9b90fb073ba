#!lua flags=allow-oom
--#include shard.lua
-- Takes a shard whose lease is free. KEYS: shard. ARGV: ttl, the owner's name (for whoever looks into Redis).
-- Answers {token, epoch, cursor, takeovers}, or {} while another lease lives.

local shard = open_shard(KEYS[1])
local stored = redis.call('HMGET', shard.key, 'until', 'tenure', 'takeovers', 'takeover_cursor')
local ends, tenure = stored[1], tonumber(stored[2] or 0) + 1
if ends and tonumber(ends) > shard.now then
  return {}
end
-- An owner that died with nothing to do is no sign against the entry that comes next.
local takeovers = 0
if ends and shard.last ~= shard.cursor then
  takeovers = stored[4] == shard.cursor and tonumber(stored[3]) + 1 or 1
end
-- With the epoch in it, a token is never given twice, even if Redis came back without the last tenures.
local token = shard.epoch .. '.' .. whole(tenure)
redis.call('HSET', shard.key, 'token', token, 'tenure', whole(tenure), 'until', whole(shard.now + tonumber(ARGV[1])),
  'takeovers', whole(takeovers), 'takeover_cursor', shard.cursor, 'owner', ARGV[2])
return { token, shard.epoch, shard.cursor, takeovers }
