#!lua flags=allow-oom
-- Takes a ticket: the session that it stood for, or nothing. KEYS: ticket.

return redis.call('GETDEL', KEYS[1])
