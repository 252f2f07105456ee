-- Takes places in the window that replicas share, in Redis time.
--
-- A Redis that does not know since when it keeps the window may have lost what
-- was sent in the last second: it was restarted, or another took its place. It
-- gives nothing for a period, and then each replica no more than its share,
-- until those who send alone have noticed that it is there.
--
-- KEYS[1]  sorted set of the taken places: name -> second at which it frees
-- KEYS[2]  sorted set of the replicas that wait: name -> second at which that is
--          forgotten
-- KEYS[3]  second since which Redis keeps the window
-- ARGV     1 places in all, 2 places wanted, 3 places that this replica holds,
--          4 name of the replica, 5 first part of the places' names,
--          6 seconds for which a send holds its place, 7 seconds for which one
--          waits for its send, 8 share of one replica, 9 seconds for which a
--          new window keeps to it
-- Answers  { places taken, microseconds until the next can be, replicas that
--          wait, this one with them }; the names of the places end with 1, 2, …
local time = redis.call('TIME')
-- Seconds of a young epoch keep more digits after the point.
local now = tonumber(time[1]) - 1700000000 + tonumber(time[2]) / 1000000
local limit, wanted, held = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local period, lease = tonumber(ARGV[6]), tonumber(ARGV[7])
local share, new = tonumber(ARGV[8]), tonumber(ARGV[9])
-- Wait for a place whose send nobody has told of yet.
local soon = 0.02
-- Who comes after a longer silence waits a period.
local day = 86400

-- A clock that was set back must not stop everything.
local since = math.min(tonumber(redis.call('GET', KEYS[3]) or now), now)
redis.call('SET', KEYS[3], string.format('%.6f', since), 'EX', day)
local age = now - since

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
redis.call('ZREM', KEYS[2], ARGV[4])
local replicas = redis.call('ZCARD', KEYS[2]) + 1

-- Asked again by the same name: the response was lost, and nobody uses its places.
if redis.call('ZSCORE', KEYS[1], ARGV[5] .. 1) then
  for place = 1, limit do
    redis.call('ZREM', KEYS[1], ARGV[5] .. place)
  end
end

-- While others wait, nobody takes more than a part.
local free = limit - redis.call('ZCARD', KEYS[1])
local part = math.ceil(limit / replicas)
if age < period then
  part = 0
elseif age < new then
  part = math.min(part, share)
end
local taken = math.max(0, math.min(wanted, free, part - held))
for place = 1, taken do
  redis.call('ZADD', KEYS[1], string.format('%.6f', now + lease), ARGV[5] .. place)
end
redis.call('EXPIRE', KEYS[1], math.ceil(lease) + 1)
if taken == wanted then
  return { taken, 0, replicas }
end

redis.call('ZADD', KEYS[2], string.format('%.6f', now + 2 * period), ARGV[4])
redis.call('EXPIRE', KEYS[2], math.ceil(2 * period) + 1)
local wait = soon
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
if age < period then
  wait = period - age
elseif free <= taken and first and tonumber(first) - now <= period then
  wait = tonumber(first) - now
end
return { taken, math.ceil(wait * 1000000), replicas }
