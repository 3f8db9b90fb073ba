#!lua
-- Creates an account. KEYS: accounts (a hash from name to "<id> <password hash>"), names (a hash from id to name).
-- ARGV: name, password hash, highest id. Answers the id; 0 when the name is taken, -1 when there are no ids left.

local known = redis.call('HGET', KEYS[1], ARGV[1])
if known then
  local id, hash = string.match(known, '^(%d+) (.*)$')
  return hash == ARGV[2] and tonumber(id) or 0
end
-- Accounts are never taken back, so their number is the last id.
local id = redis.call('HLEN', KEYS[2]) + 1
if id > tonumber(ARGV[3]) then
  return -1
end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', id) .. ' ' .. ARGV[2])
redis.call('HSET', KEYS[2], string.format('%.0f', id), ARGV[1])
return id
