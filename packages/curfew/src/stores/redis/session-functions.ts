/** Functions about sessions and their participants. Keys of one bucket only; times come as arguments. */
export const sessionFunctions = String.raw`
-- open_session P id version lastActivity idleExpires expires due place doc
-- -> opened | exists, and the document that is there
define('open_session', false, function(P, a)
  local known = redis.call('HGET', P .. 's:' .. a[1], 'd')
  if known then
    beat(P)
    return {'exists', known}
  end
  redis.call('HSET', P .. 's:' .. a[1], 'v', a[2], 'a', a[3], 'i', a[4], 'x', a[5], 'd', a[8])
  redis.call('ZADD', P .. 'due', a[6], a[1])
  redis.call('ZADD', P .. 'list', 0, a[7])
  return {'opened'}
end)

-- add_participant P session id expected doc
-- expected is the document that the caller joined with, empty for none -> added | exists | ended | unknown | joined-with
define('add_participant', false, function(P, a)
  local s, p = P .. 's:' .. a[1], P .. 'p:' .. a[1]
  local state = redis.call('HMGET', s, 'v', 'e')
  if not state[1] then beat(P) return {'unknown'} end
  if state[2] then beat(P) return {'ended'} end
  local known = redis.call('HGET', p, a[2])
  if (known or '') ~= a[3] then return {'joined-with', known or ''} end
  if known == a[4] then beat(P) return {'exists'} end
  redis.call('HSET', p, a[2], a[4])
  redis.call('HINCRBY', s, 'v', 1)
  return {known and 'exists' or 'added'}
end)

-- end_session P id expectedVersion end keepUntil revokedUntil sri endedAt <run>; revokedUntil is empty for none
-- -> ended | already + end | changed | unknown | taken
local function write_end(P, a)
  redis.call('HINCRBY', P .. 's:' .. a[1], 'v', 1)
  redis.call('HSET', P .. 's:' .. a[1], 'e', a[3], 'k', a[4])
  redis.call('ZREM', P .. 'due', a[1])
  redis.call('ZADD', P .. 'keep', a[4], a[1])
  if a[5] ~= '' then
    redis.call('HSET', P .. 's:' .. a[1], 'r', a[5])
    redis.call('HSET', P .. 'revoking', a[1], a[6] .. ' ' .. a[5] .. ' ' .. a[7])
  end
end

define('end_session', true, function(P, a)
  local s = P .. 's:' .. a[1]
  local state = redis.call('HMGET', s, 'v', 'e')
  if not state[1] then beat(P) return {'unknown'} end
  if state[2] then beat(P) return {'already', state[2]} end
  if state[1] ~= a[2] then return {'changed'} end
  if redis.call('EXISTS', P .. 'r:' .. a[8]) == 1 then return {'taken'} end
  write_end(P, a)
  insert_run(P, a, 8)
  return {'ended'}
end)

-- reassert_end: the same fact again, whatever was added since -> ended | already | unknown
define('reassert_end', true, function(P, a)
  local s = P .. 's:' .. a[1]
  local state = redis.call('HMGET', s, 'v', 'e')
  if not state[1] then beat(P) return {'unknown'} end
  if state[2] then beat(P) return {'already', state[2]} end
  write_end(P, a)
  if redis.call('EXISTS', P .. 'r:' .. a[8]) == 0 then insert_run(P, a, 8) end
  return {'ended'}
end)

-- open_run P session expectedVersion <run> -> opened | changed | ended | unknown | taken
define('open_run', true, function(P, a)
  local state = redis.call('HMGET', P .. 's:' .. a[1], 'v', 'e')
  if not state[1] then beat(P) return {'unknown'} end
  if state[2] then beat(P) return {'ended'} end
  if state[1] ~= a[2] then return {'changed'} end
  if redis.call('EXISTS', P .. 'r:' .. a[3]) == 1 then return {'taken'} end
  insert_run(P, a, 3)
  return {'opened'}
end)

-- touch P id lastActivity idleExpires -> touched | ended | unknown
define('touch', false, function(P, a)
  local s = P .. 's:' .. a[1]
  local state = redis.call('HMGET', s, 'a', 'i', 'x', 'e')
  if not state[1] then beat(P) return {'unknown'} end
  if state[4] then beat(P) return {'ended'} end
  local idle = least(a[3], state[3])
  local last = greatest(state[1], a[2])
  idle = greatest(state[2], idle)
  redis.call('HSET', s, 'a', last, 'i', idle)
  redis.call('ZADD', P .. 'due', least(idle, state[3]), a[1])
  return {'touched'}
end)

-- renew_session P id expected doc: expected is the document that the caller joined with
-- -> renewed | ended | unknown | changed + the document that is there
define('renew_session', false, function(P, a)
  local s = P .. 's:' .. a[1]
  local state = redis.call('HMGET', s, 'd', 'e')
  if not state[1] then beat(P) return {'unknown'} end
  if state[2] then beat(P) return {'ended'} end
  if state[1] == a[3] then beat(P) return {'renewed'} end
  if state[1] ~= a[2] then return {'changed', state[1]} end
  redis.call('HSET', s, 'd', a[3])
  redis.call('HINCRBY', s, 'v', 1)
  return {'renewed'}
end)

-- revoked P id: the revocation is on the list and in the feed
define('revoked', true, function(P, a)
  redis.call('HDEL', P .. 'revoking', a[1])
  redis.call('HDEL', P .. 's:' .. a[1], 'r')
  beat(P)
  return {'done'}
end)

-- purge_session P id now place -> 1 | 0
define('purge_session', true, function(P, a)
  local keep = redis.call('HGET', P .. 's:' .. a[1], 'k')
  if not keep or tonumber(keep) > tonumber(a[2]) then return 0 end
  redis.call('DEL', P .. 's:' .. a[1], P .. 'p:' .. a[1])
  redis.call('ZREM', P .. 'keep', a[1])
  redis.call('ZREM', P .. 'list', a[3])
  return 1
end)
`
