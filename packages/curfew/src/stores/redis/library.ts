import { createHash } from 'node:crypto'
import { artifactFunctions } from './artifact-functions.ts'
import { factFunctions } from './fact-functions.ts'
import { indexFunctions } from './index-functions.ts'
import { nodeFunctions } from './node-functions.ts'
import { runFunctions } from './run-functions.ts'
import { serviceFunctions } from './service-functions.ts'
import { sessionFunctions } from './session-functions.ts'

/** Numbers that a server leaves out when it may not know the last ones: more than one bucket gives while a copy is behind. */
const numbersSkipped = 1_048_576

/**
 * What every function begins with. A function that changes nothing writes all the same (`beat`): WAIT vouches only for
 * writes of its own connection.
 */
const opening = String.raw`
local insert_run
local function beat(P) redis.call('SET', P .. 'beat', '1') end
local function greatest(x, y) if tonumber(x) >= tonumber(y) then return x end return y end
local function least(x, y) if tonumber(x) <= tonumber(y) then return x end return y end
-- The next number of a list. A server that took over behind lag, or came back without its last second, does not know the
-- last ones that were given, and others do: it leaves out more than can be missing, so that none is given twice. The same
-- where it has given more itself than it knows of: then another one had taken over from it and is gone, with what that gave.
-- It is another server with every start, and with every time that it takes over: one that follows another for a while gets
-- the functions anew with what that has, and knows nothing of its own last numbers.
-- The date is only that of a first number, above those that a server gave which is gone with all of them.
local skipped, run, life, given = ${numbersSkipped}, nil, nil, {}
local function next_number(P, name)
  local k, f = P .. name, name .. ':'
  run = run or string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  life = life or run .. ' ' .. (string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)') or '')
  local n = redis.call('INCR', k)
  local last = math.max(n - 1, given[k] or 0)
  if redis.call('HGET', P .. 'lives', f) ~= life then
    local date = redis.call('TIME')
    redis.call('HSET', P .. 'lives', f, life)
    n = redis.call('INCRBY', k, math.max(last + skipped, date[1] * 1000 + math.floor(date[2] / 1000)) - n)
  elseif last >= n then
    n = redis.call('INCRBY', k, last - n + 2 * skipped)
  end
  given[k] = n
  return n
end
local function tell(P, fact)
  if not fact or fact == '' then return end
  local n = next_number(P, 'on')
  redis.call('XADD', P .. 'ob', string.format('%.0f-0', n), 'd', fact)
end
local function add_gone(P, name, until_)
  local known = redis.call('GET', P .. 'z:' .. name)
  if known then until_ = greatest(known, until_) end
  redis.call('SET', P .. 'z:' .. name, until_)
  redis.call('ZADD', P .. 'zx', until_, name)
end
-- The key that every call names is the beat of its bucket: what stands before that is the prefix.
local function take(keys)
  local P = string.sub(keys[1], 1, -5)
  life = nil
  -- Nothing stands there. While the slot is on its way to another server, this fails before anything was written.
  redis.call('EXISTS', P .. 'absent')
  return P
end
`

const placeholder = '@digest@'

const define = String.raw`
local function define(name, is_ending, body)
  redis.register_function{
    function_name = 'curfew_${placeholder}_' .. name,
    callback = function(keys, args) return body(take(keys), args) end,
    flags = is_ending and {'allow-oom'} or {}
  }
end
local function define_read(name, body)
  redis.register_function{
    function_name = 'curfew_${placeholder}_' .. name,
    callback = function(keys, args) return body(take(keys), args) end,
    flags = {'no-writes'}
  }
end
`

const source = opening + define + indexFunctions + runFunctions + sessionFunctions + serviceFunctions + artifactFunctions + nodeFunctions + factFunctions
const digest = createHash('sha256').update(source).digest('hex').slice(0, 12)

/**
 * The library as it is loaded on every primary. Functions carry the digest of their source in their names: two versions
 * of the program live side by side.
 */
export const library = {
  name: `curfew_${digest}`,
  code: `#!lua name=curfew_${digest}\n${source.replaceAll(placeholder, digest)}`,
  named: (name: string): string => `curfew_${digest}_${name}`
} as const
