-- What a message id stands for, as "<offset> <ms> <digest> <epoch>": the answer to a publish that was made before, or nil.
local function sent_before(key, digest)
  local sent = redis.call('GET', key)
  if not sent then
    return nil
  end
  local offset, ms, before, epoch = string.match(sent, '^(%d+) (%d+) (%x*) (%S+)$')
  if before ~= digest then
    return { 'conflict' }
  end
  return { 'repeated', epoch, tonumber(offset), tonumber(ms) }
end
