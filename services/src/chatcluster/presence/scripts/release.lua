#!lua flags=allow-oom
-- Ends a lease. KEYS: gateways. ARGV: incarnation.

return redis.call('HDEL', KEYS[1], ARGV[1])
