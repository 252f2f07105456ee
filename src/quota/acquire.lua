-- Decides about one call of one tenant and charges it, or charges bytes only.
-- In Redis time, so that replicas need no common clock. The limits are those
-- of local.rs, the rates are GCRA (gcra.rs).
--
-- KEYS[1]  hash of the tenant: tat (requests), btat (bytes), day, used
-- KEYS[2]  sorted set of its concurrent calls: name -> second at which it expires
-- ARGV     1 requests a second, 2 burst, 3 bytes a second, 4 requests a day,
--          5 concurrent (0: no such limit), 6 bytes of the call,
--          7 name of the call, 8 maximum seconds of a call; empty name: charge
--          the bytes without a decision
-- Returns  { limit, microseconds to wait }; limit is 0 for an admitted call,
--          1 rate, 2 bytes, 3 concurrency, 4 day
local time = redis.call('TIME')
local unix = tonumber(time[1])
-- Seconds since a recent epoch keep more digits after the point.
local now = unix - 1700000000 + tonumber(time[2]) / 1000000
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local byte_rate, per_day = tonumber(ARGV[3]), tonumber(ARGV[4])
local concurrent, bytes = tonumber(ARGV[5]), tonumber(ARGV[6])
local name, max_call_time = ARGV[7], tonumber(ARGV[8])
local slack = 0.000001

local held = redis.call('HMGET', KEYS[1], 'tat', 'btat', 'day', 'used')
local tat = math.max(tonumber(held[1] or 0), now)
local btat = math.max(tonumber(held[2] or 0), now)
local today = math.floor(unix / 86400)
local used = 0
if tonumber(held[3] or -1) == today then
  used = tonumber(held[4])
end

local function reject(limit, wait)
  return { limit, math.ceil(wait * 1000000) + 1 }
end

if name ~= '' then
  if per_day > 0 and used >= per_day then
    return reject(4, 86400 - unix % 86400)
  end
  if rate > 0 then
    local wait = tat + (1 - burst) / rate - now
    if wait > slack then
      return reject(1, wait)
    end
    tat = tat + 1 / rate
  end
  if byte_rate > 0 then
    local wait = btat + 1 / byte_rate - 1 - now
    if wait > slack then
      return reject(2, wait)
    end
  end
  if concurrent > 0 then
    redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
    if redis.call('ZCARD', KEYS[2]) >= concurrent then
      return reject(3, 1)
    end
    redis.call('ZADD', KEYS[2], string.format('%.6f', now + max_call_time), name)
    redis.call('EXPIRE', KEYS[2], math.ceil(max_call_time) + 1)
  end
  used = used + 1
end
if byte_rate > 0 then
  btat = btat + bytes / byte_rate
end

redis.call('HSET', KEYS[1],
  'tat', string.format('%.9f', tat),
  'btat', string.format('%.9f', btat),
  'day', today, 'used', used)
-- Kept until the end of the day, or longer if a debt lasts longer.
local debt = math.ceil(math.max(tat, btat) - now)
redis.call('EXPIRE', KEYS[1], math.max(86400 - unix % 86400, debt) + 1)
return { 0, 0 }
