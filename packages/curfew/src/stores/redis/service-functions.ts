/** Functions about revocation, replay, failed sign-ins, transactions and the audit log. */
export const serviceFunctions = String.raw`
-- revoke P sri until at -> revoked | longer | known, and since when
define('revoke', true, function(P, a)
  local v = P .. 'v:' .. a[1]
  local known = redis.call('HMGET', v, 'u', 'a')
  if known[1] and tonumber(known[1]) >= tonumber(a[2]) then
    beat(P)
    return {'known', known[2], known[1]}
  end
  local at = known[2] or a[3]
  redis.call('HSET', v, 'u', a[2], 'a', at)
  redis.call('ZADD', P .. 'vx', a[2], a[1])
  return {known[1] and 'longer' or 'revoked', at, a[2]}
end)

-- feed P sri until at: the entry moves to the end, unless it is there with that time or a later one
define('feed', true, function(P, a)
  local e = P .. 'fe:' .. a[1]
  local known = redis.call('HMGET', e, 'c', 'u')
  if known[1] and tonumber(known[2]) >= tonumber(a[2]) then beat(P) return 0 end
  if known[1] then redis.call('ZREM', P .. 'feed', a[1]) end
  local cursor = next_number(P, 'cursor')
  redis.call('ZADD', P .. 'feed', cursor, a[1])
  redis.call('HSET', e, 'c', cursor, 'u', a[2], 'a', a[3])
  return 1
end)

-- feed_read P after max -> cursor, sri, until, at ...
define_read('feed_read', function(P, a)
  local out = {}
  local found = redis.call('ZRANGEBYSCORE', P .. 'feed', '(' .. a[1], '+inf', 'LIMIT', 0, a[2])
  for _, sri in ipairs(found) do
    local e = redis.call('HMGET', P .. 'fe:' .. sri, 'c', 'u', 'a')
    out[#out + 1] = e[1]
    out[#out + 1] = sri
    out[#out + 1] = e[2]
    out[#out + 1] = e[3]
  end
  return out
end)

-- purge_revocation P sri now -> 1 | 0
define('purge_revocation', true, function(P, a)
  local until_ = redis.call('ZSCORE', P .. 'vx', a[1])
  if not until_ or tonumber(until_) > tonumber(a[2]) then return 0 end
  redis.call('DEL', P .. 'v:' .. a[1])
  redis.call('ZREM', P .. 'vx', a[1])
  return 1
end)

-- unfeed P sri now
define('unfeed', true, function(P, a)
  local until_ = redis.call('HGET', P .. 'fe:' .. a[1], 'u')
  if not until_ or tonumber(until_) > tonumber(a[2]) then return 0 end
  redis.call('DEL', P .. 'fe:' .. a[1])
  redis.call('ZREM', P .. 'feed', a[1])
  return 1
end)

-- replay P id until now fact by keepUntil -> fresh | seen. Which call was the first is kept for a while (yb): one whose
-- answer was lost asks again, and is the first still. The last two are absent where nobody waits.
define('replay', true, function(P, a)
  local known = redis.call('GET', P .. 'y:' .. a[1]) or a[3]
  local is_seen = tonumber(known) > tonumber(a[3])
  local first = a[5] and a[1] .. '\0' .. a[5]
  if is_seen and first and redis.call('ZSCORE', P .. 'yb', first) then beat(P) return 'fresh' end
  if tonumber(a[2]) > tonumber(known) then
    redis.call('SET', P .. 'y:' .. a[1], a[2])
    redis.call('ZADD', P .. 'yx', a[2], a[1])
    tell(P, a[4])
  else
    beat(P)
  end
  if is_seen then return 'seen' end
  if first then
    redis.call('ZREMRANGEBYSCORE', P .. 'yb', '-inf', a[3])
    redis.call('ZADD', P .. 'yb', least(a[2], a[6]), first)
  end
  return 'fresh'
end)

-- purge_replay P id now: with it, who was first with what is over -> 1 | 0
define('purge_replay', true, function(P, a)
  local until_ = redis.call('GET', P .. 'y:' .. a[1])
  if not until_ or tonumber(until_) > tonumber(a[2]) then return 0 end
  redis.call('DEL', P .. 'y:' .. a[1])
  redis.call('ZREM', P .. 'yx', a[1])
  redis.call('ZREMRANGEBYSCORE', P .. 'yb', '-inf', a[2])
  return 1
end)

-- lock_bump P user now until after fact, which the number is added to -> failed sign-ins later than after, up to now
define('lock_bump', true, function(P, a)
  local n = next_number(P, 'ln')
  local id = string.format('%016.0f', n)
  redis.call('ZADD', P .. 'l:' .. a[1], a[2], id)
  redis.call('ZADD', P .. 'lx', a[3], a[1] .. '\0' .. id)
  if a[5] and a[5] ~= '' then tell(P, a[5] .. ',"number":' .. string.format('%.0f', n) .. '}') end
  return redis.call('ZCOUNT', P .. 'l:' .. a[1], '(' .. a[4], a[2])
end)

-- Name of a failed sign-in among all regions: its origin and number.
local function failure_name(id, group)
  local at = string.find(id, ':', 1, true)
  if at then return string.sub(id, 1, at - 1), tonumber(string.sub(id, at + 1)) end
  return group, tonumber(id)
end
local function keep_cleared(P, user, origin, number, until_)
  local c = P .. 'lc:' .. user
  local known = redis.call('HGET', c, origin)
  redis.call('HSET', c, origin, string.format('%.0f', math.max(number, tonumber(known or 0))))
  local last = redis.call('HGET', c, '')
  if last then until_ = greatest(last, until_) end
  redis.call('HSET', c, '', until_)
  redis.call('ZADD', P .. 'lcx', until_, user)
end

-- lock_clear P user group fact: group and fact empty where nobody is told; what is cleared is added to the fact
define('lock_clear', true, function(P, a)
  if a[3] and a[3] ~= '' then
    local up_to, until_, list = {}, '0', {}
    for _, id in ipairs(redis.call('ZRANGE', P .. 'l:' .. a[1], 0, -1)) do
      local origin, number = failure_name(id, a[2])
      up_to[origin] = math.max(number, up_to[origin] or 0)
      until_ = greatest(redis.call('ZSCORE', P .. 'lx', a[1] .. '\0' .. id) or 0, until_)
    end
    for origin, number in pairs(up_to) do
      keep_cleared(P, a[1], origin, number, until_)
      list[#list + 1] = cjson.encode(origin) .. ':' .. string.format('%.0f', number)
    end
    if #list > 0 then tell(P, a[3] .. ',"upTo":{' .. table.concat(list, ',') .. '},"untilMs":' .. until_ .. '}') end
  end
  for _, id in ipairs(redis.call('ZRANGE', P .. 'l:' .. a[1], 0, -1)) do redis.call('ZREM', P .. 'lx', a[1] .. '\0' .. id) end
  redis.call('DEL', P .. 'l:' .. a[1])
  beat(P)
  return 'cleared'
end)

-- purge_lock P user id now
define('purge_lock', true, function(P, a)
  local until_ = redis.call('ZSCORE', P .. 'lx', a[1] .. '\0' .. a[2])
  if not until_ or tonumber(until_) > tonumber(a[3]) then return 0 end
  redis.call('ZREM', P .. 'lx', a[1] .. '\0' .. a[2])
  redis.call('ZREM', P .. 'l:' .. a[1], a[2])
  return 1
end)

-- tx_create P key until value fact by -> created | exists; by says which call it was: one whose answer was lost asks again
define('tx_create', false, function(P, a)
  local k = P .. 't:' .. a[1]
  if redis.call('EXISTS', k) == 1 then
    beat(P)
    return redis.call('HGET', k, 'b') == a[5] and 'created' or 'exists'
  end
  redis.call('HSET', k, 'u', a[2], 'd', a[3], 'b', a[5])
  redis.call('ZADD', P .. 'tx', a[2], a[1])
  tell(P, a[4])
  return 'created'
end)

-- tx_take P key gone fact until taker keepUntil -> until, value; the time is added to the fact; only what is good until then,
-- empty for any: what was created anew under the same key is good until another time. Who took it is kept for a while: a
-- taker whose answer was lost asks again, and hears what it took by its time alone. Both are empty where nobody waits.
define('tx_take', true, function(P, a)
  local taken = P .. 'tt:' .. a[1]
  if a[5] and a[5] ~= '' then
    local by = redis.call('HMGET', taken, 'b', 'w')
    if by[1] == a[5] then beat(P) return {by[2]} end
  end
  local found = redis.call('HMGET', P .. 't:' .. a[1], 'u', 'd')
  if a[4] and a[4] ~= '' and found[1] and found[1] ~= a[4] then beat(P) return {} end
  redis.call('DEL', P .. 't:' .. a[1])
  redis.call('ZREM', P .. 'tx', a[1])
  beat(P)
  if not found[1] then return {} end
  if a[5] and a[5] ~= '' then
    redis.call('HSET', taken, 'b', a[5], 'w', found[1], 'u', a[6])
    redis.call('ZADD', P .. 'ttx', a[6], a[1])
  end
  if a[3] and a[3] ~= '' then
    add_gone(P, a[2], found[1])
    tell(P, a[3] .. ',"untilMs":' .. found[1] .. '}')
  end
  return found
end)

-- purge_timed P kind list name now: a hash that says in u until when it is good -> 1 | 0
define('purge_timed', true, function(P, a)
  local until_ = redis.call('HGET', P .. a[1] .. a[3], 'u')
  if not until_ or tonumber(until_) > tonumber(a[4]) then return 0 end
  redis.call('DEL', P .. a[1] .. a[3])
  redis.call('ZREM', P .. a[2], a[3])
  return 1
end)

-- Lines beyond max go a hundred at a time, each with what leads to it.
local function trim_audit(P, max)
  if redis.call('XLEN', P .. 'audit') < max + 100 then return end
  local last
  for _, line in ipairs(redis.call('XRANGE', P .. 'audit', '-', '+', 'COUNT', 100)) do
    last = string.match(line[1], '^%d+')
    -- A line that can not be read must not keep those that come from being written.
    local is_read, doc = pcall(cjson.decode, line[2][2])
    local user = is_read and type(doc) == 'table' and doc['userKey']
    if type(user) == 'string' then redis.call('ZREM', P .. 'au:' .. user, last) end
  end
  redis.call('XTRIM', P .. 'audit', 'MINID', last .. '-1')
end

-- audit P user max doc: user may be empty, max 0 keeps all
define('audit', true, function(P, a)
  local n = next_number(P, 'an')
  local id = string.format('%.0f', n)
  redis.call('XADD', P .. 'audit', id .. '-0', 'd', a[3])
  if a[1] ~= '' then redis.call('ZADD', P .. 'au:' .. a[1], id, id) end
  if tonumber(a[2]) > 0 then
    trim_audit(P, tonumber(a[2]))
    -- Nodes of former versions trimmed the lines alone.
    local first = redis.call('XRANGE', P .. 'audit', '-', '+', 'COUNT', 1)[1]
    if a[1] ~= '' then redis.call('ZREMRANGEBYSCORE', P .. 'au:' .. a[1], '-inf', '(' .. string.match(first[1], '^%d+')) end
  end
  return n
end)
`
