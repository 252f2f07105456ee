-- Records that the call of a slot is being written: the slot expires a period
-- from now, in Redis time.
--
-- KEYS[1]  sorted set of the used slots, as in reserve.lua
-- ARGV     1 name of the slot, 2 seconds of the period, 3 seconds for which the
--          set is kept
local time = redis.call('TIME')
local now = tonumber(time[1]) - 1700000000 + tonumber(time[2]) / 1000000
redis.call('ZADD', KEYS[1], string.format('%.6f', now + tonumber(ARGV[2])), ARGV[1])
redis.call('EXPIRE', KEYS[1], tonumber(ARGV[3]))
return 0
