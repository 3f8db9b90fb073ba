#!lua flags=allow-oom
--#include shard.lua
--#include sent.lua
-- What publish would answer in a full Redis, where it is not run: a repeated message was stored all the same.
-- KEYS: shard, sent. ARGV: digest. Answers {'repeated', epoch, offset, ms}, {'conflict'} or {'busy'}.

open_shard(KEYS[1])
return sent_before(KEYS[2], ARGV[1]) or { 'busy' }
