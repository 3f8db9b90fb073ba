#!lua flags=no-writes
-- A user's list of sessions, with "<created, ms> <ends, ms>" after each. KEYS: list.

return redis.call('HGETALL', KEYS[1])
