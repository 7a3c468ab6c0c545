/** Functions about what OpenID hands out. */
export const artifactFunctions = String.raw`
-- artifact_put P name until doc consumed grant session: empty for what it has not
define('artifact_put', false, function(P, a)
  local k = P .. 'a:' .. a[1]
  local consumed = redis.call('HGET', k, 'c') or a[4]
  redis.call('DEL', k)
  redis.call('HSET', k, 'u', a[2], 'd', a[3])
  if consumed ~= '' then redis.call('HSET', k, 'c', consumed) end
  if a[5] ~= '' then redis.call('HSET', k, 'g', a[5]) end
  if a[6] ~= '' then redis.call('HSET', k, 's', a[6]) end
  redis.call('ZADD', P .. 'ax', a[2], a[1])
  return 'stored'
end)

-- artifact_consume P name now -> consumed | already | unknown
define('artifact_consume', true, function(P, a)
  local k = P .. 'a:' .. a[1]
  local known = redis.call('HMGET', k, 'u', 'c')
  if not known[1] or tonumber(known[1]) <= tonumber(a[2]) then beat(P) return 'unknown' end
  if known[2] then beat(P) return 'already' end
  redis.call('HSET', k, 'c', a[2])
  return 'consumed'
end)

-- artifact_drop P name grant: only when it belongs to that grant, empty for any -> 1 | 0
define('artifact_drop', true, function(P, a)
  local k = P .. 'a:' .. a[1]
  if a[2] ~= '' and redis.call('HGET', k, 'g') ~= a[2] then beat(P) return 0 end
  local dropped = redis.call('DEL', k)
  redis.call('ZREM', P .. 'ax', a[1])
  beat(P)
  return dropped
end)
`
