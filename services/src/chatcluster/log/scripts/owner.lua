-- The lease of a shard's owner: fields token and until of the shard. A lease that was given up has no until.

local function owns(shard, token)
  local stored = redis.call('HMGET', shard.key, 'token', 'until')
  return stored[2] and stored[1] == token
end
