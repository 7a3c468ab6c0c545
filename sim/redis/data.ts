import type { Reply } from '../../packages/curfew/src/stores/redis/link.ts'

/** An error that a server answers with; its first word says which. */
export class ServerError extends Error {
  override readonly name = 'ServerError'
}

interface StreamEntry {
  readonly id: number
  readonly fields: readonly string[]
}

/** What stands under one key. */
type Entry =
  | { readonly kind: 'string'; text: string }
  | { readonly kind: 'hash'; readonly fields: Map<string, string> }
  | { readonly kind: 'set'; readonly members: Set<string> }
  | { readonly kind: 'zset'; readonly scores: Map<string, number> }
  | { readonly kind: 'stream'; entries: StreamEntry[]; lastId: number }

type Of<Kind extends Entry['kind']> = Extract<Entry, { readonly kind: Kind }>
type Command = (data: Data, args: readonly string[]) => Reply

const empty: { readonly [Kind in Entry['kind']]: () => Of<Kind> } = {
  string: () => ({ kind: 'string', text: '' }),
  hash: () => ({ kind: 'hash', fields: new Map() }),
  set: () => ({ kind: 'set', members: new Set() }),
  zset: () => ({ kind: 'zset', scores: new Map() }),
  stream: () => ({ kind: 'stream', entries: [], lastId: 0 })
}

/** What one server keeps: keys and what stands under them, changed by the commands that the store uses. */
export class Data {
  #entries = new Map<string, Entry>()

  /** @throws ServerError */
  run(args: readonly string[]): Reply {
    const [name = '', ...rest] = args
    const command = writes[name] ?? reads[name]
    // Not an answer: the store would go on without it, and the simulation would show nothing.
    if (command === undefined) throw new RangeError(`simulated servers do not know ${name}`)
    return command(this, rest)
  }

  clone(): Data {
    const copy = new Data()
    for (const [key, entry] of this.#entries) copy.#entries.set(key, copyOf(entry))
    return copy
  }

  clear(): void {
    this.#entries.clear()
  }

  /** @throws ServerError where something of another kind stands there */
  find<Kind extends Entry['kind']>(key: string, kind: Kind): Of<Kind> | undefined {
    const entry = this.#entries.get(key)
    if (entry !== undefined && entry.kind !== kind) throw new ServerError('WRONGTYPE Operation against a key holding the wrong kind of value')
    return entry as Of<Kind> | undefined
  }

  make<Kind extends Entry['kind']>(key: string, kind: Kind): Of<Kind> {
    const known = this.find(key, kind)
    if (known !== undefined) return known
    const entry = empty[kind]()
    this.#entries.set(key, entry)
    return entry
  }

  has(key: string): boolean {
    return this.#entries.has(key)
  }

  drop(key: string): boolean {
    return this.#entries.delete(key)
  }
}

function copyOf(entry: Entry): Entry {
  switch (entry.kind) {
    case 'string':
      return { ...entry }
    case 'hash':
      return { ...entry, fields: new Map(entry.fields) }
    case 'set':
      return { ...entry, members: new Set(entry.members) }
    case 'zset':
      return { ...entry, scores: new Map(entry.scores) }
    case 'stream':
      return { ...entry, entries: [...entry.entries] }
  }
}

export function isWrite(name: string): boolean {
  return Object.hasOwn(writes, name)
}

function text(args: readonly string[], at: number): string {
  const found = args[at]
  if (found === undefined) throw new ServerError('ERR wrong number of arguments')
  return found
}

function integer(value: string): number {
  if (!/^-?\d+$/.test(value)) throw new ServerError('ERR value is not an integer or out of range')
  return Number(value)
}

function score(value: string): number {
  const number = Number(value)
  if (value === '' || Number.isNaN(number)) throw new ServerError('ERR value is not a valid float')
  return number
}

function pairsOf(args: readonly string[]): readonly (readonly [string, string])[] {
  if (args.length % 2 !== 0 || args.length === 0) throw new ServerError('ERR wrong number of arguments')
  return Array.from({ length: args.length / 2 }, (_, i) => [args[2 * i] as string, args[2 * i + 1] as string])
}

function increase(data: Data, key: string, by: number): number {
  const entry = data.make(key, 'string')
  entry.text = String(integer(entry.text === '' ? '0' : entry.text) + by)
  return Number(entry.text)
}

/** Commands that change something. A copy carries out the same ones. */
const writes: Readonly<Record<string, Command>> = {
  SET(data, args) {
    const [key, value, more] = [text(args, 0), text(args, 1), args.slice(2)]
    if (more.length > 0 && (more.length > 1 || more[0] !== 'NX')) throw new ServerError('ERR syntax error')
    if (more.length > 0 && data.has(key)) return null
    data.drop(key)
    data.make(key, 'string').text = value
    return 'OK'
  },
  DEL: (data, keys) => keys.filter((key) => data.drop(key)).length,
  INCR: (data, args) => increase(data, text(args, 0), 1),
  INCRBY: (data, args) => increase(data, text(args, 0), integer(text(args, 1))),
  HSET(data, args) {
    const { fields } = data.make(text(args, 0), 'hash')
    const before = fields.size
    for (const [name, value] of pairsOf(args.slice(1))) fields.set(name, value)
    return fields.size - before
  },
  HINCRBY(data, args) {
    const { fields } = data.make(text(args, 0), 'hash')
    const next = integer(fields.get(text(args, 1)) ?? '0') + integer(text(args, 2))
    fields.set(text(args, 1), String(next))
    return next
  },
  HDEL(data, [key = '', ...names]) {
    const entry = data.find(key, 'hash')
    const gone = names.filter((name) => entry?.fields.delete(name)).length
    if (entry?.fields.size === 0) data.drop(key)
    return gone
  },
  SADD(data, [key = '', ...added]) {
    const { members } = data.make(key, 'set')
    const before = members.size
    for (const member of added) members.add(member)
    return members.size - before
  },
  SREM(data, [key = '', ...removed]) {
    const entry = data.find(key, 'set')
    const gone = removed.filter((member) => entry?.members.delete(member)).length
    if (entry?.members.size === 0) data.drop(key)
    return gone
  },
  ZADD(data, [key = '', ...rest]) {
    const added = pairsOf(rest).map(([value, member]) => [score(value), member] as const)
    const { scores } = data.make(key, 'zset')
    const before = scores.size
    for (const [value, member] of added) scores.set(member, value)
    return scores.size - before
  },
  ZREM(data, [key = '', ...removed]) {
    const entry = data.find(key, 'zset')
    const gone = removed.filter((member) => entry?.scores.delete(member)).length
    if (entry?.scores.size === 0) data.drop(key)
    return gone
  },
  ZREMRANGEBYSCORE(data, [key = '', from = '', to = '']) {
    const entry = data.find(key, 'zset')
    const gone = inScores(ordered(data, key), from, to)
    for (const { member } of gone) entry?.scores.delete(member)
    if (entry?.scores.size === 0) data.drop(key)
    return gone.length
  },
  XADD(data, [key = '', place = '', ...fields]) {
    const entry = data.make(key, 'stream')
    const id = streamId(place)
    if (id <= entry.lastId) throw new ServerError('ERR The ID specified in XADD is equal or smaller than the target stream top item')
    entry.entries.push({ id, fields })
    entry.lastId = id
    return place
  },
  XTRIM(data, [key = '', how, ...rest]) {
    const entry = data.find(key, 'stream')
    if (entry === undefined) return 0
    const before = entry.entries.length
    const limit = rest.at(-1) ?? ''
    if (how === 'MINID') entry.entries = entry.entries.filter(({ id }) => id >= streamId(limit))
    else if (how === 'MAXLEN') entry.entries = entry.entries.slice(-integer(limit))
    else throw new ServerError('ERR syntax error')
    return before - entry.entries.length
  }
}

function streamId(text: string): number {
  const [, digits] = /^(\d+)-0$/.exec(text) ?? []
  if (digits === undefined) throw new ServerError('ERR Invalid stream ID specified as stream command argument')
  return Number(digits)
}

interface Scored {
  readonly member: string
  readonly score: number
}

/** By score, then by octets. */
function ordered(data: Data, key: string): readonly Scored[] {
  const scores = data.find(key, 'zset')?.scores ?? new Map<string, number>()
  return [...scores].map(([member, value]) => ({ member, score: value })).sort((a, b) => a.score - b.score || (a.member < b.member ? -1 : 1))
}

function inScores(all: readonly Scored[], from: string, to: string): readonly Scored[] {
  const bound = (value: string): readonly [number, boolean] =>
    value.startsWith('(') ? [score(value.slice(1).replace('inf', 'Infinity')), true] : [score(value.replace('inf', 'Infinity')), false]
  const [[low, lowOpen], [high, highOpen]] = [bound(from), bound(to)]
  return all.filter((one) => (lowOpen ? one.score > low : one.score >= low) && (highOpen ? one.score < high : one.score <= high))
}

function inLex(all: readonly Scored[], from: string, to: string): readonly Scored[] {
  const isAbove = ({ member }: Scored): boolean => from === '-' || (from !== '+' && (from.startsWith('(') ? member > from.slice(1) : member >= from.slice(1)))
  const isBelow = ({ member }: Scored): boolean => to === '+' || (to !== '-' && (to.startsWith('(') ? member < to.slice(1) : member <= to.slice(1)))
  return all.filter((one) => isAbove(one) && isBelow(one))
}

interface RangeOptions {
  readonly flags: ReadonlySet<string>
  readonly offset: number
  readonly count: number
}

function rangeOptions(args: readonly string[]): RangeOptions {
  const flags = new Set<string>()
  let [offset, count] = [0, Number.POSITIVE_INFINITY]
  for (let i = 0; i < args.length; i++) {
    const word = args[i] as string
    if (word === 'LIMIT') {
      ;[offset, count] = [integer(text(args, i + 1)), integer(text(args, i + 2))]
      i += 2
    } else if (['BYSCORE', 'BYLEX', 'REV', 'WITHSCORES'].includes(word)) flags.add(word)
    else throw new ServerError('ERR syntax error')
  }
  return { flags, offset, count }
}

function range(data: Data, [key = '', from = '', to = '', ...more]: readonly string[]): Reply {
  const { flags, offset, count } = rangeOptions(more)
  const all = ordered(data, key)
  const isBack = flags.has('REV')
  const [low, high] = isBack ? [to, from] : [from, to]
  let found: readonly Scored[]
  if (flags.has('BYSCORE')) found = inScores(all, low, high)
  else if (flags.has('BYLEX')) found = inLex(all, low, high)
  else {
    if (isBack) throw new ServerError('ERR syntax error')
    const place = (at: string): number => (integer(at) < 0 ? all.length + integer(at) : integer(at))
    found = all.slice(Math.max(0, place(from)), place(to) + 1)
  }
  return listed((isBack ? found.toReversed() : found).slice(offset, offset + count), flags.has('WITHSCORES'))
}

function listed(found: readonly Scored[], withScores: boolean): Reply {
  return found.flatMap((one) => (withScores ? [one.member, String(one.score)] : [one.member]))
}

/** Commands that change nothing. */
const reads: Readonly<Record<string, Command>> = {
  GET: (data, args) => data.find(text(args, 0), 'string')?.text ?? null,
  EXISTS: (data, keys) => keys.filter((key) => data.has(key)).length,
  HGET: (data, args) => data.find(text(args, 0), 'hash')?.fields.get(text(args, 1)) ?? null,
  HMGET(data, [key = '', ...names]) {
    const fields = data.find(key, 'hash')?.fields
    return names.map((name) => fields?.get(name) ?? null)
  },
  HGETALL: (data, args) => [...(data.find(text(args, 0), 'hash')?.fields ?? [])].flat(),
  HVALS: (data, args) => [...(data.find(text(args, 0), 'hash')?.fields.values() ?? [])],
  SMEMBERS: (data, args) => [...(data.find(text(args, 0), 'set')?.members ?? [])],
  SISMEMBER: (data, args) => (data.find(text(args, 0), 'set')?.members.has(text(args, 1)) === true ? 1 : 0),
  SCARD: (data, args) => data.find(text(args, 0), 'set')?.members.size ?? 0,
  /** Not by chance: a seed gives the same twice. */
  SRANDMEMBER: (data, args) => [...(data.find(text(args, 0), 'set')?.members ?? [])].slice(0, integer(text(args, 1))),
  ZCARD: (data, args) => data.find(text(args, 0), 'zset')?.scores.size ?? 0,
  ZSCORE(data, args) {
    const found = data.find(text(args, 0), 'zset')?.scores.get(text(args, 1))
    return found === undefined ? null : String(found)
  },
  ZCOUNT: (data, args) => inScores(ordered(data, text(args, 0)), text(args, 1), text(args, 2)).length,
  ZRANGE: range,
  ZRANGEBYSCORE: (data, [key = '', from = '', to = '', ...more]) => range(data, [key, from, to, 'BYSCORE', ...more]),
  /** Small ones come whole. */
  ZSCAN: (data, [key = '']) => ['0', listed(ordered(data, key), true)],
  XLEN: (data, args) => data.find(text(args, 0), 'stream')?.entries.length ?? 0,
  XRANGE(data, [key = '', from = '', to = '', ...more]) {
    const count = more[0] === 'COUNT' ? integer(text(more, 1)) : Number.POSITIVE_INFINITY
    const low = from.startsWith('(') ? streamId(from.slice(1)) + 1 : from === '-' ? 0 : streamId(from)
    const high = to === '+' ? Number.POSITIVE_INFINITY : streamId(to)
    const found = (data.find(key, 'stream')?.entries ?? []).filter(({ id }) => id >= low && id <= high)
    return found.slice(0, count).map(({ id, fields }) => [`${id}-0`, fields])
  }
}
