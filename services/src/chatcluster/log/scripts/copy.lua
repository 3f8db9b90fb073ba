#!lua flags=allow-oom
--#include shard.lua
--#include room.lua
-- Copies private publications into inboxes of one shard. All in one script: of several, a later one could succeed after
-- an earlier one had failed, and then the earlier copy would be taken for one that was made.
-- KEYS: shard, dispatch, then room, history and conversations of each copy. ARGV: source shard, the limits (size, bytes,
-- ttl, min age), registration ttl, how many conversations are kept, then shard epoch and id of the entry, room name, body
-- and origin of each, whether it is replayed, and the conversation.

local mark = 'c' .. ARGV[1]
local limits = {
  size = tonumber(ARGV[2]),
  bytes = tonumber(ARGV[3]),
  ttl = tonumber(ARGV[4]),
  min_age = tonumber(ARGV[5]),
}

-- The epoch is the one in which the publication was accepted: entries that are read again after a restart keep it.
local function is_copied(key, epoch, id)
  local last_epoch, last_id = string.match(redis.call('HGET', key, mark) or '', '^(%S+) (%S+)$')
  if not last_epoch then
    return false
  end
  if last_epoch ~= epoch then
    return tonumber(string.sub(last_epoch, 1, 13)) > tonumber(string.sub(epoch, 1, 13))
  end
  local ms, seq = split_id(id)
  return not is_later(ms, seq, split_id(last_id))
end

-- One that is replayed comes out of its order: what was copied after it says nothing about it.
local function is_held(history, origin)
  local from = '-'
  while true do
    local part = redis.call('XRANGE', history, from, '+', 'COUNT', 128)
    if #part == 0 then
      return false
    end
    for _, entry in ipairs(part) do
      if entry[2][6] == origin then
        return true
      end
    end
    from = '(' .. part[#part][1]
  end
end

-- The inbox' conversations, by where in the inbox their last copy is.
local function list_conversation(key, conversation, room, now)
  local is_new = redis.call('ZADD', key, whole(room.offset), conversation) == 1
  if is_new or room.kept == now then
    redis.call('PEXPIRE', key, whole(limits.ttl + 86400000))
    redis.call('ZREMRANGEBYRANK', key, 0, -1 - tonumber(ARGV[7]))
  end
end

local shard = open_shard(KEYS[1])
for i = 1, (#KEYS - 2) / 3 do
  local key, history, conversations = unpack(KEYS, 3 * i, 3 * i + 2)
  local epoch, id, name, body, origin, replayed, conversation = unpack(ARGV, 7 * i + 1, 7 * i + 7)
  local is_there = replayed == '1' and is_held(history, origin) or replayed ~= '1' and is_copied(key, epoch, id)
  if not is_there then
    local room = open_room(key, shard)
    if not room then
      room = create_room(key, history, shard, ARGV[6])
      redis.call('DEL', conversations)
    end
    append(room, history, shard, KEYS[2], limits, name, body, origin)
    save_room(room, unpack(replayed == '1' and {} or { mark, epoch .. ' ' .. id }))
    list_conversation(conversations, conversation, room, shard.now)
  end
end
save_totals(shard)
return 1
