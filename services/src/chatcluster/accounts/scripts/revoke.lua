#!lua flags=allow-oom
-- Ends a session; what it was, or nothing. KEYS: session.

return redis.call('GETDEL', KEYS[1])
