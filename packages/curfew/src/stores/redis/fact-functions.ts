/** Functions about other regions: what they are told and what they told. Keys of one bucket only. */
export const factFunctions = String.raw`
-- facts_after P position max -> last number, last one that is gone, how many there are, number, fact, number, fact ...
define_read('facts_after', function(P, a)
  local out = {redis.call('GET', P .. 'on') or '0', redis.call('GET', P .. 'of') or '0', tostring(redis.call('XLEN', P .. 'ob'))}
  if tonumber(a[2]) == 0 then return out end
  for _, entry in ipairs(redis.call('XRANGE', P .. 'ob', '(' .. a[1] .. '-0', '+', 'COUNT', a[2])) do
    out[#out + 1] = string.sub(entry[1], 1, -3)
    out[#out + 1] = entry[2][2]
  end
  return out
end)

-- drop_facts P upTo
define('drop_facts', true, function(P, a)
  local floor = redis.call('GET', P .. 'of') or '0'
  beat(P)
  if tonumber(a[1]) <= tonumber(floor) then return 0 end
  redis.call('SET', P .. 'of', a[1])
  return redis.call('XTRIM', P .. 'ob', 'MINID', string.format('%.0f-0', tonumber(a[1]) + 1))
end)

define('note', true, function(P, a) redis.call('HSET', P .. 'notes', a[1], a[2]) return 1 end)
define('unnote', true, function(P, a) redis.call('HDEL', P .. 'notes', a[1]) beat(P) return 1 end)

-- lease P name owner now until -> 1 | 0
define('lease', true, function(P, a)
  local held = redis.call('HGET', P .. 'notes', 'lease:' .. a[1])
  beat(P)
  if held then
    local at = string.find(held, ' ', 1, true)
    if string.sub(held, at + 1) ~= a[2] and tonumber(string.sub(held, 1, at - 1)) > tonumber(a[3]) then return 0 end
  end
  redis.call('HSET', P .. 'notes', 'lease:' .. a[1], a[4] .. ' ' .. a[2])
  return 1
end)

-- merge_session P id expectedVersion expectedGuard guardUntil guard version last idle expires due place doc end keep ending
--   participants: count, then id and document of each; late: count, then their ids
-- expected: what the caller joined with, empty for nothing -> merged | changed
define('merge_session', true, function(P, a)
  local id = a[1]
  local s, p, g = P .. 's:' .. id, P .. 'p:' .. id, P .. 'g:' .. id
  local known = redis.call('HMGET', s, 'v', 'a', 'i')
  if (known[1] or '') ~= a[2] or (redis.call('GET', g) or '') ~= a[3] then beat(P) return 'changed' end
  if a[5] ~= '' then
    redis.call('SET', g, a[5])
    redis.call('ZADD', P .. 'gx', a[4], id)
    return 'merged'
  end
  redis.call('DEL', g)
  redis.call('ZREM', P .. 'gx', id)
  local last, idle = a[7], a[8]
  if known[1] then last, idle = greatest(known[2], last), greatest(known[3], idle) end
  redis.call('HSET', s, 'v', a[6], 'a', last, 'i', idle, 'x', a[9])
  redis.call('HSET', s, 'd', a[12])
  if not known[1] then redis.call('ZADD', P .. 'list', 0, a[11]) end
  if a[13] ~= '' then
    redis.call('HSET', s, 'e', a[13], 'k', a[14], 'ef', a[15])
    redis.call('ZREM', P .. 'due', id)
    redis.call('ZADD', P .. 'keep', a[14], id)
  else
    redis.call('ZADD', P .. 'due', a[10], id)
  end
  local count = tonumber(a[16])
  for i = 1, count do redis.call('HSET', p, a[15 + 2 * i], a[16 + 2 * i]) end
  local late = 17 + 2 * count
  for i = 1, tonumber(a[late]) do
    redis.call('SADD', P .. 'late:' .. id, a[late + i])
    redis.call('SADD', P .. 'late', id)
  end
  return 'merged'
end)

-- merge_run P id session place version finished doc: a copy, to look at -> 1 | 0
define('merge_run', true, function(P, a)
  local known = redis.call('HMGET', P .. 'r:' .. a[1], 'v', 'c')
  beat(P)
  if known[1] and (not known[2] or tonumber(known[1]) >= tonumber(a[4])) then return 0 end
  redis.call('HSET', P .. 'r:' .. a[1], 'v', a[4], 'd', a[6], 'c', '1')
  redis.call('ZADD', P .. 'runs', 0, a[3])
  redis.call('SADD', P .. 'rs:' .. a[2], a[1])
  redis.call('ZADD', P .. 'done', a[5], a[1])
  return 1
end)

-- open_late_run P session fact count ids.. <run> -> opened | nothing | taken
define('open_late_run', true, function(P, a)
  local late, count = P .. 'late:' .. a[1], tonumber(a[3])
  for i = 1, count do
    if redis.call('SISMEMBER', late, a[3 + i]) == 0 then beat(P) return 'nothing' end
  end
  local from = 4 + count
  if redis.call('EXISTS', P .. 'r:' .. a[from]) == 1 then beat(P) return 'taken' end
  insert_run(P, a, from)
  for i = 1, count do redis.call('SREM', late, a[3 + i]) end
  if redis.call('SCARD', late) == 0 then redis.call('SREM', P .. 'late', a[1]) end
  tell(P, a[2])
  return 'opened'
end)

-- merge_failure P user group origin number at until
define('merge_failure', true, function(P, a)
  local number = tonumber(a[4])
  beat(P)
  if number <= tonumber(redis.call('HGET', P .. 'lc:' .. a[1], a[3]) or 0) then return 0 end
  local id = string.format('%016.0f', number)
  if a[3] ~= a[2] then id = a[3] .. ':' .. id end
  redis.call('ZADD', P .. 'l:' .. a[1], a[5], id)
  redis.call('ZADD', P .. 'lx', a[6], a[1] .. '\0' .. id)
  return 1
end)

-- merge_cleared P user group until count, then origin and number of each
define('merge_cleared', true, function(P, a)
  local user = a[1]
  for i = 1, tonumber(a[4]) do keep_cleared(P, user, a[3 + 2 * i], tonumber(a[4 + 2 * i]), a[3]) end
  for _, id in ipairs(redis.call('ZRANGE', P .. 'l:' .. user, 0, -1)) do
    local origin, number = failure_name(id, a[2])
    if number <= tonumber(redis.call('HGET', P .. 'lc:' .. user, origin) or 0) then
      redis.call('ZREM', P .. 'l:' .. user, id)
      redis.call('ZREM', P .. 'lx', user .. '\0' .. id)
    end
  end
  beat(P)
  return 1
end)

define('purge_cleared', true, function(P, a)
  local until_ = redis.call('HGET', P .. 'lc:' .. a[1], '')
  if not until_ or tonumber(until_) > tonumber(a[2]) then return 0 end
  redis.call('DEL', P .. 'lc:' .. a[1])
  redis.call('ZREM', P .. 'lcx', a[1])
  return 1
end)

-- purge_listed P kind list name now: an entry whose time stands in the list -> 1 | 0
define('purge_listed', true, function(P, a)
  local until_ = redis.call('ZSCORE', P .. a[2], a[3])
  if not until_ or tonumber(until_) > tonumber(a[4]) then return 0 end
  redis.call('DEL', P .. a[1] .. a[3])
  redis.call('ZREM', P .. a[2], a[3])
  return 1
end)

-- gone P name until fact: remembered, and told; sent once more it is neither
define('gone', true, function(P, a)
  local known = redis.call('GET', P .. 'z:' .. a[1])
  if known and tonumber(known) >= tonumber(a[2]) then beat(P) return 0 end
  add_gone(P, a[1], a[2])
  tell(P, a[3])
  return 1
end)

-- merge_tx P key gone until value
define('merge_tx', true, function(P, a)
  beat(P)
  if redis.call('EXISTS', P .. 'z:' .. a[2], P .. 't:' .. a[1]) > 0 then return 0 end
  redis.call('HSET', P .. 't:' .. a[1], 'u', a[3], 'd', a[4])
  redis.call('ZADD', P .. 'tx', a[3], a[1])
  return 1
end)

-- merge_tx_taken P key gone until
define('merge_tx_taken', true, function(P, a)
  add_gone(P, a[2], a[3])
  redis.call('DEL', P .. 't:' .. a[1])
  redis.call('ZREM', P .. 'tx', a[1])
  return 1
end)

-- merge_artifact P name expected version until doc consumed grant session; expected as artifact_text gives it -> merged | gone | changed
local function artifact_text(k)
  local f = redis.call('HMGET', k, 'n', 'u', 'c', 'd')
  return (f[1] or '') .. ' ' .. (f[2] or '') .. ' ' .. (f[3] or '') .. ' ' .. (f[4] or '')
end
define('merge_artifact', true, function(P, a)
  local k = P .. 'a:' .. a[1]
  beat(P)
  if redis.call('EXISTS', P .. 'z:' .. a[1]) == 1 then return 'gone' end
  if artifact_text(k) ~= a[2] then return 'changed' end
  local made = redis.call('HMGET', k, 'i', 'w', 'b')
  redis.call('DEL', k)
  redis.call('HSET', k, 'u', a[4], 'd', a[5], 'n', a[3])
  if made[1] then redis.call('HSET', k, 'i', made[1]) end
  if made[2] then redis.call('HSET', k, 'w', made[2]) end
  if made[3] then redis.call('HSET', k, 'b', made[3]) end
  if a[6] ~= '' then redis.call('HSET', k, 'c', a[6]) end
  if a[7] ~= '' then redis.call('HSET', k, 'g', a[7]) end
  if a[8] ~= '' then redis.call('HSET', k, 's', a[8]) end
  redis.call('ZADD', P .. 'ax', a[4], a[1])
  return 'merged'
end)
`
