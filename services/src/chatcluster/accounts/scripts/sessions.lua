#!lua flags=no-writes
-- Sessions of one slot, in order, false for each that is over. KEYS: sessions.

return redis.call('MGET', unpack(KEYS))
