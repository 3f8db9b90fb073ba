#!lua flags=no-writes
-- The name of a user, or nothing. KEYS: names. ARGV: id.

return redis.call('HGET', KEYS[1], ARGV[1])
