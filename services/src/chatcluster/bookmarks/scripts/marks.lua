#!lua flags=no-writes
-- A user's marks of rooms, in order, false where there is none. KEYS: the user's marks. ARGV: rooms.

return redis.call('HMGET', KEYS[1], unpack(ARGV))
