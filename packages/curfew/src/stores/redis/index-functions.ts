/** Functions about entries that lead to facts of other buckets. */
export const indexFunctions = String.raw`
define('set_add', true, function(P, a) redis.call('SADD', P .. a[1], a[2]) beat(P) return 1 end)
define('set_drop', true, function(P, a) redis.call('SREM', P .. a[1], a[2]) beat(P) return 1 end)
define('list_add', true, function(P, a) redis.call('ZADD', P .. a[1], 0, a[2]) beat(P) return 1 end)
define('list_drop', true, function(P, a) redis.call('ZREM', P .. a[1], a[2]) beat(P) return 1 end)

-- first P key value: only where nothing stands
define('first', true, function(P, a) redis.call('SET', P .. a[1], a[2], 'NX') beat(P) return 1 end)
-- touch_copies P: nothing but a write, for the WAIT behind it, which vouches for all before it on the same primary
define('touch_copies', true, function(P, a) beat(P) return 1 end)
define('put', true, function(P, a) redis.call('SET', P .. a[1], a[2]) return 1 end)
-- drop_if P key value: only while it has that value
define('drop_if', true, function(P, a)
  if redis.call('GET', P .. a[1]) == a[2] then redis.call('DEL', P .. a[1]) end
  beat(P)
  return 1
end)
`
