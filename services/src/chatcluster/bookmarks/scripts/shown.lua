#!lua flags=no-writes
-- A room's marks, with its line after each user. KEYS: the room's marks.

return redis.call('HGETALL', KEYS[1])
