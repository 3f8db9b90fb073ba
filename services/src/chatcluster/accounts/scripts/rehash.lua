#!lua flags=allow-oom
-- Replaces an account if it is still the one that is known. KEYS: accounts. ARGV: name, old, new.

if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
