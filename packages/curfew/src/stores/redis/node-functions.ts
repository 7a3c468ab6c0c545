/** Functions about the processes that share the store. */
export const nodeFunctions = String.raw`
-- node_claim P id token now until doc -> claimed + 1 where it is asked to stop taking work | taken + until
define('node_claim', true, function(P, a)
  local known = redis.call('HMGET', P .. 'node:' .. a[1], 't', 'u')
  if known[1] and known[1] ~= a[2] and tonumber(known[2]) > tonumber(a[3]) then
    beat(P)
    return {'taken', known[2]}
  end
  redis.call('HSET', P .. 'node:' .. a[1], 't', a[2], 'u', a[4], 'd', a[5])
  redis.call('SADD', P .. 'nodes', a[1])
  if known[1] ~= a[2] then redis.call('HDEL', P .. 'node:' .. a[1], 'z') end
  return {'claimed', redis.call('HGET', P .. 'node:' .. a[1], 'z') or ''}
end)

-- node_drain P id now asked: 1 to stop taking work, empty to take it again -> done | unknown | last
define('node_drain', true, function(P, a)
  local function live(id)
    local until_ = redis.call('HGET', P .. 'node:' .. id, 'u')
    return until_ and tonumber(until_) > tonumber(a[2])
  end
  beat(P)
  if not live(a[1]) then return 'unknown' end
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
