#!lua flags=allow-oom
--#include time.lua
--#include rooms.lua
-- What counts in a room. KEYS: room. ARGV: forget after.

return reports(KEYS[1], clock(), tonumber(ARGV[1]))
