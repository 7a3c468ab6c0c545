/** Functions about what OpenID hands out. */
export const artifactFunctions = String.raw`
-- The fact about an artifact as it stands: a[..] has its beginning, up to kind and id.
local function tell_artifact(P, k, beginning)
  if not beginning or beginning == '' then return end
  local f = redis.call('HMGET', k, 'u', 'd', 'c', 'g', 's', 'n')
  local fact = beginning .. ',"untilMs":' .. f[1] .. ',"value":' .. f[2]
  if f[3] then fact = fact .. ',"consumedAtMs":' .. f[3] end
  if f[4] then fact = fact .. ',"grantId":' .. cjson.encode(f[4]) end
  if f[5] then fact = fact .. ',"sessionId":' .. cjson.encode(f[5]) end
  tell(P, fact .. '},"version":' .. (f[6] or '1') .. '}')
end

-- name until doc consumed grant session fact made: empty for what it has not
-- made tells an artifact from one that was dropped before and had the same name: what is put in the place of one keeps it
-- put says which of several came later: the time of the server, and more than that of the one before -> put, version
local function put_artifact(P, a, put, least_version)
  local k = P .. 'a:' .. a[1]
  if not put then
    local date = redis.call('TIME')
    put = string.format('%.0f', math.max(date[1] * 1000000 + date[2], tonumber(redis.call('HGET', k, 'w') or 0) + 1))
  end
  local used = redis.call('HMGET', k, 'c', 'b')
  local consumed = used[1] or a[4]
  local version = 1
  if a[7] and a[7] ~= '' then version = tonumber(redis.call('HGET', k, 'n') or redis.call('EXISTS', k)) + 1 end
  version = math.max(version, tonumber(least_version or 1))
  local made = redis.call('EXISTS', k) == 0 and a[8] or redis.call('HGET', k, 'i')
  redis.call('DEL', k)
  redis.call('HSET', k, 'u', a[2], 'd', a[3], 'w', put)
  if made and made ~= '' then redis.call('HSET', k, 'i', made) end
  if version > 1 then redis.call('HSET', k, 'n', string.format('%.0f', version)) end
  if consumed ~= '' then redis.call('HSET', k, 'c', consumed) end
  if used[2] then redis.call('HSET', k, 'b', used[2]) end
  if a[5] ~= '' then redis.call('HSET', k, 'g', a[5]) end
  if a[6] ~= '' then redis.call('HSET', k, 's', a[6]) end
  redis.call('ZADD', P .. 'ax', a[2], a[1])
  tell_artifact(P, k, a[7])
  return {put, string.format('%.0f', version)}
end

-- artifact_put P, artifact_end P: what ends something is taken without memory
define('artifact_put', false, function(P, a) return put_artifact(P, a) end)
define('artifact_end', true, function(P, a) return put_artifact(P, a) end)

-- artifact_end_again P name until doc consumed grant session fact made put version former dated: what artifact_end had put,
-- where what stands there was put before, here and in any region. Programs of formats before 3 do not say when they put
-- something: of theirs what it had taken the place of, and whatever is there where none of them was left by then (dated).
define('artifact_end_again', true, function(P, a)
  local known = redis.call('HMGET', P .. 'a:' .. a[1], 'w', 'd', 'n')
  local is_before
  if known[1] then is_before = tonumber(known[1]) < tonumber(a[9])
  elseif known[2] then is_before = a[12] == '1' or known[2] == a[11]
  else is_before = redis.call('EXISTS', P .. 'z:' .. a[1]) == 0 end
  if a[7] ~= '' and tonumber(known[3] or 0) > tonumber(a[10]) then is_before = false end
  if is_before then put_artifact(P, a, a[9], a[10]) else beat(P) end
  return 1
end)

-- artifact_consume P name now fact by -> consumed | already | unknown; by says which call it was: one whose answer was lost
-- asks again, and has used it up itself. Absent where nobody waits.
define('artifact_consume', true, function(P, a)
  local k = P .. 'a:' .. a[1]
  local known = redis.call('HMGET', k, 'u', 'c', 'b')
  if not known[1] or tonumber(known[1]) <= tonumber(a[2]) then beat(P) return 'unknown' end
  if known[2] then
    beat(P)
    return a[4] and known[3] == a[4] and 'consumed' or 'already'
  end
  redis.call('HSET', k, 'c', a[2])
  if a[4] then redis.call('HSET', k, 'b', a[4]) end
  tell_artifact(P, k, a[3])
  return 'consumed'
end)

-- artifact_drop P name grant fact made: the time is added to the fact; only when it belongs to that grant, and was not made
-- anew since, empty for any -> 1 | 0
define('artifact_drop', true, function(P, a)
  local k = P .. 'a:' .. a[1]
  if a[2] ~= '' and redis.call('HGET', k, 'g') ~= a[2] then beat(P) return 0 end
  local made = a[4] and a[4] ~= '' and redis.call('HGET', k, 'i')
  if made and made ~= a[4] then beat(P) return 0 end
  local until_ = a[3] and a[3] ~= '' and redis.call('HGET', k, 'u')
  local dropped = redis.call('DEL', k)
  if until_ then
    add_gone(P, a[1], until_)
    tell(P, a[3] .. ',"untilMs":' .. until_ .. '}')
  end
  redis.call('ZREM', P .. 'ax', a[1])
  beat(P)
  return dropped
end)
`
