/** Functions about runs and what has to be done for them. */
export const runFunctions = String.raw`
local function drop_effect(P, id)
  local of = redis.call('HMGET', P .. 'f:' .. id, 'r', 'o')
  redis.call('DEL', P .. 'f:' .. id)
  redis.call('ZREM', P .. 'ready', id)
  if of[1] then redis.call('SREM', P .. 'fr:' .. of[1], id) end
  if of[2] then redis.call('SREM', P .. 'fo:' .. of[2], id) end
end

-- effects at a[from]: count, then due and document of each; numbers are those of the bucket, shared out so that no two
-- buckets give the same
local function add_effects(P, run, a, from, buckets, bucket)
  local count = tonumber(a[from])
  for i = 1, count do
    local due, doc = a[from + i * 2 - 1], a[from + i * 2]
    local n = next_number(P, 'fn') * buckets - (buckets - 1) + bucket
    local id = string.format('%016.0f', n)
    redis.call('HSET', P .. 'f:' .. id, 'r', run, 'u', due, 'd', doc)
    redis.call('ZADD', P .. 'ready', due, id)
    redis.call('SADD', P .. 'fr:' .. run, id)
  end
end

local function put_run(P, id, version, state, finished, doc)
  redis.call('HSET', P .. 'r:' .. id, 'v', version, 'd', doc)
  if state == 'done' then
    redis.call('SREM', P .. 'open', id)
    if finished ~= '' then redis.call('ZADD', P .. 'done', finished, id) end
  else
    redis.call('SADD', P .. 'open', id)
    redis.call('ZREM', P .. 'done', id)
  end
end

-- <run> at a[from]: id session place version state finished doc buckets bucket, effects
insert_run = function(P, a, from)
  local id = a[from]
  put_run(P, id, a[from + 3], a[from + 4], a[from + 5], a[from + 6])
  redis.call('ZADD', P .. 'runs', 0, a[from + 2])
  redis.call('SADD', P .. 'rs:' .. a[from + 1], id)
  add_effects(P, id, a, from + 9, tonumber(a[from + 7]), tonumber(a[from + 8]))
end

-- commit_run P id version state finished doc buckets bucket fact before settledCount settled.. effects
-- before: SHA-1 of the document that the caller decided on, or empty: after a takeover behind lag the same version may be another run
-- -> committed | changed + doc | unknown
define('commit_run', true, function(P, a)
  local id = a[1]
  local state = redis.call('HMGET', P .. 'r:' .. id, 'v', 'c', 'd')
  local known = state[1]
  if not known or state[2] then beat(P) return {'unknown'} end
  if tonumber(a[2]) ~= tonumber(known) + 1 or (a[9] ~= '' and redis.sha1hex(state[3]) ~= a[9]) then
    beat(P)
    return {'changed', state[3]}
  end
  put_run(P, id, a[2], a[3], a[4], a[5])
  local settled = tonumber(a[10])
  for i = 1, settled do
    if redis.call('HGET', P .. 'f:' .. a[10 + i], 'r') == id then drop_effect(P, a[10 + i]) end
  end
  add_effects(P, id, a, 11 + settled, tonumber(a[6]), tonumber(a[7]))
  tell(P, a[8])
  return {'committed'}
end)

-- claim P owner now until max -> id, run, doc, id, run, doc ...
define('claim', true, function(P, a)
  local owner, now, max = a[1], tonumber(a[2]), tonumber(a[4])
  local blocked, claimed, offset = {}, {}, 0
  while #claimed < max do
    local ids = redis.call('ZRANGEBYSCORE', P .. 'ready', '-inf', a[2], 'LIMIT', offset, 100)
    if #ids == 0 then break end
    offset = offset + #ids
    for _, id in ipairs(ids) do
      local run = redis.call('HGET', P .. 'f:' .. id, 'r')
      if blocked[run] == nil then
        blocked[run] = false
        for _, other in ipairs(redis.call('SMEMBERS', P .. 'fr:' .. run)) do
          local holder = redis.call('HGET', P .. 'f:' .. other, 'o')
          if holder and holder ~= owner and tonumber(redis.call('ZSCORE', P .. 'ready', other)) > now then blocked[run] = true end
        end
      end
      if not blocked[run] and #claimed < max then claimed[#claimed + 1] = id end
    end
  end
  local out = {}
  for _, id in ipairs(claimed) do
    local f = P .. 'f:' .. id
    local before = redis.call('HGET', f, 'o')
    if before then redis.call('SREM', P .. 'fo:' .. before, id) end
    redis.call('HSET', f, 'o', owner)
    redis.call('SADD', P .. 'fo:' .. owner, id)
    redis.call('ZADD', P .. 'ready', a[3], id)
    local of = redis.call('HMGET', f, 'r', 'd')
    out[#out + 1] = id
    out[#out + 1] = of[1]
    out[#out + 1] = of[2]
  end
  return out
end)

-- release P owner -> how many
define('release', true, function(P, a)
  local ids = redis.call('SMEMBERS', P .. 'fo:' .. a[1])
  for _, id in ipairs(ids) do
    redis.call('ZADD', P .. 'ready', redis.call('HGET', P .. 'f:' .. id, 'u'), id)
    redis.call('HDEL', P .. 'f:' .. id, 'o')
  end
  redis.call('DEL', P .. 'fo:' .. a[1])
  beat(P)
  return #ids
end)

-- purge_run P id session place finishedBefore -> 1 | 0
define('purge_run', true, function(P, a)
  local finished = redis.call('ZSCORE', P .. 'done', a[1])
  if not finished or tonumber(finished) > tonumber(a[4]) then return 0 end
  for _, id in ipairs(redis.call('SMEMBERS', P .. 'fr:' .. a[1])) do drop_effect(P, id) end
  redis.call('DEL', P .. 'r:' .. a[1])
  redis.call('ZREM', P .. 'done', a[1])
  redis.call('ZREM', P .. 'runs', a[3])
  redis.call('SREM', P .. 'rs:' .. a[2], a[1])
  return 1
end)
`
