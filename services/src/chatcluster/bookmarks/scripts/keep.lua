#!lua
-- Puts a room on a user's list, a hash from room to "<number> <offset> <epoch>"; the numbers rise. KEYS: list. ARGV: room,
-- "<offset> <epoch>", most. Answers 1, or 0 when the list is full.

if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then
  return 1
end
local last = 0
local lines = redis.call('HVALS', KEYS[1])
for _, line in ipairs(lines) do
  last = math.max(last, tonumber(string.match(line, '^%d+')))
end
if #lines >= tonumber(ARGV[3]) then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', last + 1) .. ' ' .. ARGV[2])
return 1
