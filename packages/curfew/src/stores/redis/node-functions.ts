/** Functions about the processes that share the store. */
export const nodeFunctions = String.raw`
-- The newest format that a node reads: one that has not said so reads the first.
local function format_of(P, id)
  local node = redis.call('HMGET', P .. 'node:' .. id, 't', 'f')
  if not node[1] or not node[2] then return 1 end
  local at = string.find(node[2], ' ', 1, true)
  if string.sub(node[2], at + 1) ~= node[1] then return 1 end
  return tonumber(string.sub(node[2], 1, at - 1))
end

local function format_written(P) return tonumber(redis.call('GET', P .. 'format') or '1') end

-- node_claim P id token now until doc newestFormat
-- -> claimed + 1 where it is asked to stop taking work + the format that is written | taken + until | newer + that format
define('node_claim', true, function(P, a)
  local format, newest = format_written(P), tonumber(a[6])
  if format > newest then
    beat(P)
    return {'newer', tostring(format)}
  end
  local known = redis.call('HMGET', P .. 'node:' .. a[1], 't', 'u')
  if known[1] and known[1] ~= a[2] and tonumber(known[2]) > tonumber(a[3]) then
    beat(P)
    return {'taken', known[2]}
  end
  redis.call('HSET', P .. 'node:' .. a[1], 't', a[2], 'u', a[4], 'd', a[5], 'f', a[6] .. ' ' .. a[2])
  redis.call('SADD', P .. 'nodes', a[1])
  if known[1] ~= a[2] then redis.call('HDEL', P .. 'node:' .. a[1], 'z') end
  for _, id in ipairs(redis.call('SMEMBERS', P .. 'nodes')) do
    local until_ = redis.call('HGET', P .. 'node:' .. id, 'u')
    if until_ and tonumber(until_) > tonumber(a[3]) then newest = math.min(newest, format_of(P, id)) end
  end
  if newest > format then redis.call('SET', P .. 'format', tostring(newest)) end
  return {'claimed', redis.call('HGET', P .. 'node:' .. a[1], 'z') or '', tostring(math.max(format, newest))}
end)

-- node_drain P id now asked: 1 to stop taking work, empty to take it again -> done | unknown | last | older
define('node_drain', true, function(P, a)
  local function live(id)
    local until_ = redis.call('HGET', P .. 'node:' .. id, 'u')
    return until_ and tonumber(until_) > tonumber(a[2])
  end
  beat(P)
  if not live(a[1]) then return 'unknown' end
  if format_written(P) < 2 then return 'older' end
  if a[3] == '' then
    redis.call('HDEL', P .. 'node:' .. a[1], 'z')
    return 'done'
  end
  for _, id in ipairs(redis.call('SMEMBERS', P .. 'nodes')) do
    if id ~= a[1] and live(id) and not redis.call('HGET', P .. 'node:' .. id, 'z') then
      redis.call('HSET', P .. 'node:' .. a[1], 'z', '1')
      return 'done'
    end
  end
  return 'last'
end)

-- node_forget P id now: only one whose time is over
define('node_forget', true, function(P, a)
  local until_ = redis.call('HGET', P .. 'node:' .. a[1], 'u')
  beat(P)
  if until_ and tonumber(until_) > tonumber(a[2]) then return 0 end
  redis.call('DEL', P .. 'node:' .. a[1])
  redis.call('SREM', P .. 'nodes', a[1])
  return 1
end)

-- node_leave P id token
define('node_leave', true, function(P, a)
  if redis.call('HGET', P .. 'node:' .. a[1], 't') == a[2] then
    redis.call('DEL', P .. 'node:' .. a[1])
    redis.call('SREM', P .. 'nodes', a[1])
  end
  beat(P)
  return 1
end)
`
