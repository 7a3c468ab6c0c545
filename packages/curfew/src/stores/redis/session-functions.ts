/** Functions about sessions and their participants. Keys of one bucket only; times come as arguments. */
export const sessionFunctions = String.raw`
-- open_session P id version lastActivity idleExpires expires due place doc fact; facts are empty where nobody is told
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
  tell(P, a[9])
  return {'opened'}
end)

-- add_participant P session id expected doc fact
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
  tell(P, a[5])
  return {known and 'exists' or 'added'}
end)

-- end_session P id expectedVersion end keepUntil revokedUntil sri endedAt endFact runFact known <run>; revokedUntil is empty for none
-- known: by participant of the end the time of its last assertion. A server that took over behind lag may have others under
-- the same version, and may have got others since it forgot the end: they are late.
-- -> ended | already + end | changed | unknown | taken
local function add_late(P, id, known_text)
  local known = cjson.decode(known_text)
  local fields = redis.call('HGETALL', P .. 'p:' .. id)
  for i = 1, #fields, 2 do
    local at = known[fields[i]]
    if not at or tonumber(cjson.decode(fields[i + 1]).lastIssuedAtMs) > tonumber(at) then
      redis.call('SADD', P .. 'late:' .. id, fields[i])
      redis.call('SADD', P .. 'late', id)
    end
  end
end

local function write_end(P, a, is_told)
  add_late(P, a[1], a[10])
  redis.call('HINCRBY', P .. 's:' .. a[1], 'v', 1)
  redis.call('HSET', P .. 's:' .. a[1], 'e', a[3], 'k', a[4])
  if a[8] ~= '' then redis.call('HSET', P .. 's:' .. a[1], 'ef', a[8]) end
  redis.call('ZREM', P .. 'due', a[1])
  redis.call('ZADD', P .. 'keep', a[4], a[1])
  if is_told then tell(P, a[8]) end
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
  if redis.call('EXISTS', P .. 'r:' .. a[11]) == 1 then return {'taken'} end
  write_end(P, a, a[9] ~= '')
  insert_run(P, a, 11)
  tell(P, a[9])
  return {'ended'}
end)

-- reassert_end: the same fact again, whatever was added since -> ended | already | unknown
define('reassert_end', true, function(P, a)
  local s = P .. 's:' .. a[1]
  local state = redis.call('HMGET', s, 'v', 'e')
  if not state[1] then beat(P) return {'unknown'} end
  if state[2] then beat(P) return {'already', state[2]} end
  write_end(P, a, a[9] ~= '')
  if redis.call('EXISTS', P .. 'r:' .. a[11]) == 0 then insert_run(P, a, 11) end
  tell(P, a[9])
  return {'ended'}
end)

-- open_run P session expectedVersion runFact <run> -> opened | changed | ended | unknown | taken
define('open_run', true, function(P, a)
  local state = redis.call('HMGET', P .. 's:' .. a[1], 'v', 'e')
  if not state[1] then beat(P) return {'unknown'} end
  if state[2] then beat(P) return {'ended'} end
  if state[1] ~= a[2] then return {'changed'} end
  if redis.call('EXISTS', P .. 'r:' .. a[4]) == 1 then return {'taken'} end
  insert_run(P, a, 4)
  tell(P, a[3])
  return {'opened'}
end)

-- reassert_run P session runFact <run>: the same run again, whatever became of the session since -> opened | taken | unknown
define('reassert_run', true, function(P, a)
  if redis.call('EXISTS', P .. 's:' .. a[1]) == 0 then beat(P) return {'unknown'} end
  if redis.call('EXISTS', P .. 'r:' .. a[3]) == 1 then beat(P) return {'taken'} end
  insert_run(P, a, 3)
  tell(P, a[2])
  return {'opened'}
end)

-- When the session is to be ended here: one of another region only after that had its time.
local function due_here(s, idle, expires, take_over)
  if take_over == '' then return least(idle, expires) end
  local doc = cjson.decode(redis.call('HGET', s, 'd'))
  return string.format('%.0f', tonumber(least(tonumber(idle) + math.ceil(doc.idleTimeoutMs * 0.25), expires)) + tonumber(take_over))
end

-- touch P id lastActivity idleExpires fact takeOver (empty for a session of this region) -> touched | ended | unknown; the fact is told once in a quarter of the idle time
define('touch', false, function(P, a)
  local s = P .. 's:' .. a[1]
  local state = redis.call('HMGET', s, 'a', 'i', 'x', 'e')
  if not state[1] then beat(P) return {'unknown'} end
  if state[4] then beat(P) return {'ended'} end
  local idle = least(a[3], state[3])
  local last = greatest(state[1], a[2])
  idle = greatest(state[2], idle)
  redis.call('HSET', s, 'a', last, 'i', idle)
  redis.call('ZADD', P .. 'due', due_here(s, idle, state[3], a[5]), a[1])
  if a[4] and a[4] ~= '' then
    local doc = cjson.decode(redis.call('HGET', s, 'd'))
    local told = redis.call('HGET', s, 't') or doc.createdAtMs
    if tonumber(last) - tonumber(told) >= doc.idleTimeoutMs * 0.25 then
      redis.call('HSET', s, 't', last)
      tell(P, a[4])
    end
  end
  return {'touched'}
end)

-- renew_session P id expected doc fact: expected is the document that the caller joined with
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
  tell(P, a[4])
  return {'renewed'}
end)

-- revoked P id: the revocation is on the list and in the feed
define('revoked', true, function(P, a)
  redis.call('HDEL', P .. 'revoking', a[1])
  redis.call('HDEL', P .. 's:' .. a[1], 'r')
  beat(P)
  return {'done'}
end)

-- forget_late P id: participants of a session that is gone -> 1 | 0
define('forget_late', true, function(P, a)
  beat(P)
  if redis.call('EXISTS', P .. 's:' .. a[1]) == 1 then return 0 end
  redis.call('DEL', P .. 'late:' .. a[1])
  return redis.call('SREM', P .. 'late', a[1])
end)

-- purge_session P id now place -> 1 | 0
define('purge_session', true, function(P, a)
  local keep = redis.call('HGET', P .. 's:' .. a[1], 'k')
  if not keep or tonumber(keep) > tonumber(a[2]) then return 0 end
  redis.call('DEL', P .. 's:' .. a[1], P .. 'p:' .. a[1], P .. 'late:' .. a[1])
  redis.call('SREM', P .. 'late', a[1])
  redis.call('ZREM', P .. 'keep', a[1])
  redis.call('ZREM', P .. 'list', a[3])
  return 1
end)
`
