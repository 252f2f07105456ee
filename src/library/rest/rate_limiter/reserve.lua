-- Reserves slots in the window that replicas share, in Redis time.
--
-- A Redis that does not know since when it keeps the window may have lost the
-- sends of the last second: it was restarted, or another took over. It grants
-- nothing for a period, and then each replica up to its share, until replicas in
-- fallback have noticed that it is back.
--
-- KEYS[1]  sorted set of the used slots: name -> second at which it expires
-- KEYS[2]  sorted set of the replicas that wait: name -> second at which the
--          entry expires
-- KEYS[3]  second since which Redis keeps the window
-- ARGV     1 slots in all, 2 slots requested, 3 slots that this replica uses,
--          4 name of the replica, 5 prefix of the slots' names,
--          6 seconds for which a send occupies its slot, 7 seconds for which a
--          slot waits for its send, 8 share of one replica, 9 seconds for which
--          a new window is limited to it
-- Returns  { slots granted, microseconds until the next is available, replicas
--          that wait, this one included }; the slots' names end with 1, 2, …
local time = redis.call('TIME')
-- Seconds since a recent epoch keep more digits after the point.
local now = tonumber(time[1]) - 1700000000 + tonumber(time[2]) / 1000000
local limit, requested, used = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local period, lease = tonumber(ARGV[6]), tonumber(ARGV[7])
local share, recovery = tonumber(ARGV[8]), tonumber(ARGV[9])
-- Wait for a slot whose send is not recorded yet.
local soon = 0.02
-- A request after a longer pause waits a period.
local day = 86400

-- A clock that was set back must not block every replica.
local since = math.min(tonumber(redis.call('GET', KEYS[3]) or now), now)
redis.call('SET', KEYS[3], string.format('%.6f', since), 'EX', day)
local age = now - since

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
redis.call('ZREM', KEYS[2], ARGV[4])
local replicas = redis.call('ZCARD', KEYS[2]) + 1

-- A second request with the same name: the response was lost, its slots are unused.
if redis.call('ZSCORE', KEYS[1], ARGV[5] .. 1) then
  for number = 1, limit do
    redis.call('ZREM', KEYS[1], ARGV[5] .. number)
  end
end

-- While others wait, each replica gets its part only.
local available = limit - redis.call('ZCARD', KEYS[1])
local part = math.ceil(limit / replicas)
if age < period then
  part = 0
elseif age < recovery then
  part = math.min(part, share)
end
local granted = math.max(0, math.min(requested, available, part - used))
for number = 1, granted do
  redis.call('ZADD', KEYS[1], string.format('%.6f', now + lease), ARGV[5] .. number)
end
redis.call('EXPIRE', KEYS[1], math.ceil(lease) + 1)
if granted == requested then
  return { granted, 0, replicas }
end

redis.call('ZADD', KEYS[2], string.format('%.6f', now + 2 * period), ARGV[4])
redis.call('EXPIRE', KEYS[2], math.ceil(2 * period) + 1)
local wait = soon
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
if age < period then
  wait = period - age
elseif available <= granted and first and tonumber(first) - now <= period then
  wait = tonumber(first) - now
end
return { granted, math.ceil(wait * 1000000), replicas }
