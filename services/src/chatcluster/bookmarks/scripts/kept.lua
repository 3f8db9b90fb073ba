#!lua flags=no-writes
-- A user's list, with its line after each room. KEYS: list.

return redis.call('HGETALL', KEYS[1])
