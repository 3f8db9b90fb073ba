#!lua flags=allow-oom
-- Takes a room off a user's list. KEYS: list. ARGV: room.

return redis.call('HDEL', KEYS[1], ARGV[1])
