import { registryLimits } from './memory-session-registry.ts'
import { keysOf, keysOfSubject, listedKey } from './session-keys.ts'
import type { AppSession, SessionRegistry, SpareKind } from './session-registry.ts'

/** What the registry needs of a client of Redis or Valkey, 6.2 or later, and of the application's own choice. */
export interface RedisRegistryOptions {
  /** Sends one command and resolves with its reply: `(args) => client.sendCommand(args)` of node-redis, `client.call(...args)` of ioredis. */
  readonly send: (args: string[]) => Promise<unknown>
  /** Begins every key. Applications that share a server need different ones. */
  readonly prefix?: string
  /** As in memory; what is not bounded here is bounded by the memory that the server has. */
  readonly limits?: { readonly spareValuesMax?: number; readonly endedMarksMax?: number; readonly unsignedTombstonesMax?: number }
}

/** The server forgets so much later than the application asks for: their clocks differ, and those of the application count. */
const slackMs = 60_000

/** Kinds that hold values: such as always stay, and two that give way. */
const valueKinds = `'value', 'spare', 'mark'`

/**
 * What every script begins with. `entry` is the name of one key; all of them are in one slot of a cluster. `bound` lets what
 * was written first give way: the order is that of writing, by no clock and by no end. What sessions are found by is kept in
 * the order of when the server forgets them (`by`).
 */
const common = `
local prefix = ARGV[1]
local function entry(kind, name) return prefix .. ':' .. kind .. ':' .. name end
local function drop(id)
  local record = redis.call('GET', entry('session', id))
  if not record then return false end
  for _, key in ipairs(cjson.decode(record).keys) do redis.call('ZREM', entry('by', key), id) end
  redis.call('DEL', entry('session', id))
  return record
end
local function bound(kind, name, max)
  local order = prefix .. ':' .. kind .. '-order'
  local last = redis.call('ZRANGE', order, -1, -1, 'WITHSCORES')
  redis.call('ZADD', order, (tonumber(last[2]) or 0) + 1, name)
  local over = redis.call('ZCARD', order) - max
  if over <= 0 then return end
  local first = redis.call('ZPOPMIN', order, over)
  for i = 1, #first, 2 do redis.call('DEL', entry(kind, first[i])) end
end
`

/** id, record, when it may be forgotten, keys. What the server has forgotten by itself leaves with the next of the same key. */
const openScript = `${common}
local id, record, atMs = ARGV[2], ARGV[3], ARGV[4]
drop(id)
redis.call('SET', entry('session', id), record, 'PXAT', atMs)
local time = redis.call('TIME')
local nowMs = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
for i = 5, #ARGV do
  local key = entry('by', ARGV[i])
  redis.call('ZREMRANGEBYSCORE', key, '-inf', nowMs)
  redis.call('ZADD', key, atMs, id)
  local last = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')
  redis.call('PEXPIREAT', key, string.format('%.0f', tonumber(last[2])))
end
`

/** id. */
const endScript = `${common}
return drop(ARGV[2]) and 1 or 0
`

/** Tombstones: one is prolonged where there is one, and never shortened. */
const tombstones = `
local function bury(kind, key, untilMs, atMs, issuedUntilMs)
  local name = entry(kind, key)
  local known = redis.call('GET', name)
  local u, at, issued = untilMs, atMs, issuedUntilMs
  if known then
    local ku, kat, kissued = string.match(known, '^(%S+) (%S+) (%S+)$')
    if tonumber(ku) > tonumber(u) then u, at = ku, kat end
    if tonumber(kissued) > tonumber(issued) then issued = kissued end
  end
  redis.call('SET', name, u .. ' ' .. at .. ' ' .. issued, 'PXAT', at)
end
`

/** kind and limit of the tombstones, until, when they may be forgotten, issued until, spares issued after ('' for none), keys. */
const endBySubjectScript = `${common}${tombstones}
local kind, max, untilMs, atMs, issuedUntilMs, spares = ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5], ARGV[6], tonumber(ARGV[7])
local ended = {}
for i = 8, #ARGV do
  bury(kind, ARGV[i], untilMs, atMs, issuedUntilMs)
  if max > 0 then bound(kind, ARGV[i], max) end
  for _, id in ipairs(redis.call('ZRANGE', entry('by', ARGV[i]), 0, -1)) do
    local record = redis.call('GET', entry('session', id))
    if not record then redis.call('ZREM', entry('by', ARGV[i]), id)
    else
      local session = cjson.decode(record).session
      if not spares or (session.issuedAtMs or session.createdAtMs) <= spares then
        drop(id)
        ended[#ended + 1] = record
      end
    end
  end
end
return ended
`

/** until ('' for no tombstones), when they may be forgotten, issued until, keys. */
const endListedScript = `${common}${tombstones}
local ended = {}
for i = 5, #ARGV do
  if ARGV[2] ~= '' then bury('tombstone', ARGV[i], ARGV[2], ARGV[3], ARGV[4]) end
  for _, id in ipairs(redis.call('ZRANGE', entry('by', ARGV[i]), 0, -1)) do
    local record = drop(id)
    if record then ended[#ended + 1] = record end
  end
end
return ended
`

/** name, value, until, when it may be forgotten, now, kind, its limit (0: always kept). */
const rememberScript = `${common}
local name, kind, max = ARGV[2], ARGV[7], tonumber(ARGV[8])
for _, one in ipairs({${valueKinds}}) do
  local known = redis.call('GET', entry(one, name))
  if known and tonumber(string.match(known, '^(%S+) ')) > tonumber(ARGV[6]) then return 0 end
end
redis.call('SET', entry(kind, name), ARGV[4] .. ' ' .. ARGV[3], 'PXAT', ARGV[5])
if kind ~= 'value' then bound(kind, name, max) end
return 1
`

/** name. */
const takeScript = `${common}
local found = {}
for _, kind in ipairs({${valueKinds}}) do
  local known = redis.call('GET', entry(kind, ARGV[2]))
  if known then found[#found + 1] = known end
  redis.call('DEL', entry(kind, ARGV[2]))
  redis.call('ZREM', prefix .. ':' .. kind .. '-order', ARGV[2])
end
return found
`

/**
 * A registry that the processes of one application share, in a Redis or Valkey they have. Every call is one command, so that
 * processes never see half of another's. The keys of one application are in one slot of a cluster.
 */
export function createRedisSessionRegistry({ send, prefix = 'curfew', limits = {} }: RedisRegistryOptions): SessionRegistry {
  const { spareValuesMax, endedMarksMax, unsignedTombstonesMax } = { ...registryLimits, ...limits }
  const tag = `{${prefix}}`
  const room = (keep: SpareKind | undefined): readonly [string, number] =>
    keep === undefined ? ['value', 0] : keep === 'if-room' ? ['spare', spareValuesMax] : ['mark', endedMarksMax]
  const entry = (kind: string, name: string): string => `${tag}:${kind}:${name}`
  // The one declared key tells a cluster which of its nodes has the rest.
  const run = (script: string, ...parts: readonly (string | number)[]): Promise<unknown> => send(['EVAL', script, '1', tag, tag, ...parts.map(String)])
  const read = async (...keys: readonly string[]): Promise<readonly string[]> => texts(await send(['MGET', ...keys]))
  const valuesOf = async (key: string): Promise<readonly Value[]> => (await read(entry('value', key), entry('spare', key), entry('mark', key))).map(valueOf)
  return {
    async open(session) {
      const keys = keysOf(session)
      await run(openScript, session.id, JSON.stringify({ session, keys }), forgotten(session.expiresAtMs), ...keys)
    },
    async get(id, nowMs) {
      const [session] = (await read(entry('session', id))).map(sessionOf)
      return session !== undefined && session.expiresAtMs > nowMs ? session : undefined
    },
    async end(id) {
      return (await run(endScript, id)) === 1
    },
    async endBySubject(subject, untilMs) {
      const { issuedUntilMs = Number.MAX_SAFE_INTEGER, sparesIssuedAfterMs = '', isUnsigned = false } = subject
      const [kind, max] = isUnsigned ? ['frame', unsignedTombstonesMax] : ['tombstone', 0]
      const records = await run(endBySubjectScript, kind, max, untilMs, forgotten(untilMs), issuedUntilMs, sparesIssuedAfterMs, ...keysOfSubject(subject))
      return texts(records).map(sessionOf)
    },
    async endListed(fingerprints, tombstone) {
      if (fingerprints.length === 0) return []
      const left = tombstone === undefined ? ['', '', ''] : [tombstone.untilMs, forgotten(tombstone.untilMs), tombstone.issuedUntilMs]
      return texts(await run(endListedScript, ...left, ...fingerprints.map(listedKey))).map(sessionOf)
    },
    async isEnded(subject, nowMs) {
      const tombstones = await read(...keysOf(subject).flatMap((key) => [entry('tombstone', key), entry('frame', key)]))
      return tombstones.some((tombstone) => {
        const [untilMs = 0, , issuedUntilMs = 0] = tombstone.split(' ').map(Number)
        return untilMs > nowMs && (subject.issuedAtMs ?? 0) <= issuedUntilMs
      })
    },
    async remember(key, value, untilMs, nowMs, keep) {
      return (await run(rememberScript, key, value, untilMs, forgotten(untilMs), nowMs, ...room(keep))) === 1
    },
    async isRemembered(key, nowMs) {
      return (await valuesOf(key)).some(({ untilMs }) => untilMs > nowMs)
    },
    async take(key, nowMs) {
      return texts(await run(takeScript, key))
        .map(valueOf)
        .find(({ untilMs }) => untilMs > nowMs)?.value
    }
  }
}

interface Value {
  readonly value: string
  readonly untilMs: number
}

function valueOf(text: string): Value {
  const at = text.indexOf(' ')
  return { untilMs: Number(text.slice(0, at)), value: text.slice(at + 1) }
}

function sessionOf(record: string): AppSession {
  return (JSON.parse(record) as { readonly session: AppSession }).session
}

/** The texts of a reply that is a list, whether the client gives texts or octets. */
function texts(reply: unknown): readonly string[] {
  const list: readonly unknown[] = Array.isArray(reply) ? reply : []
  return list.flatMap((one) => (typeof one === 'string' ? [one] : one instanceof Uint8Array ? [Buffer.from(one).toString('utf8')] : []))
}

function forgotten(untilMs: number): number {
  return Math.ceil(untilMs) + slackMs
}
