#!lua flags=no-writes
-- The account of a name: "<id> <password hash>", or nothing. KEYS: accounts. ARGV: name.

return redis.call('HGET', KEYS[1], ARGV[1])
