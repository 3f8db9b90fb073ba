#!lua flags=allow-oom
-- Takes a session off its user's list. KEYS: list. ARGV: session.

return redis.call('HDEL', KEYS[1], ARGV[1])
