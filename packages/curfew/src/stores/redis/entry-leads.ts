import type { RunId, SessionId } from '../../core/ids.ts'
import { type Bucket, pair, unpair } from './keys.ts'
import { type RedisContext, scanned } from './redis-context.ts'
import { isRunThere } from './redis-run-rows.ts'

/** One entry that leads from a text to a fact of another bucket. */
export interface Lead {
  readonly bucket: Bucket
  /** Without the prefix of the bucket. */
  readonly key: string
  /** What stands there: the member of a set or list, or the text itself. */
  readonly member: string
}

type Context = Pick<RedisContext, 'shards' | 'keys'>
type Shape = 'set' | 'list' | 'text'

interface Kind {
  readonly shape: Shape
  /** Whether what the entry leads to is there. `text`: what stands behind the kind in its key. */
  isThere(context: Context, text: string, member: string): Promise<boolean>
}

const session: Kind['isThere'] = async ({ shards, keys }, _text, id) => Number(await shards.read(keys.ofSession(id as SessionId), 'EXISTS', `s:${id}`)) === 1
const artifact: Kind['isThere'] = async ({ shards, keys }, _text, name) => Number(await shards.read(keys.ofText(name), 'EXISTS', `a:${name}`)) === 1
/** Nobody finds a run by these whose place is not known. What is remembered of that counts for nothing here. */
const run = async (context: Context, id: string): Promise<boolean> => {
  const place = await context.shards.read(context.keys.ofText(id), 'GET', `j:${id}`)
  return place !== null && isRunThere(context, { id: id as RunId, sessionId: String(place) as SessionId })
}
/** Behind the time, in a list that is read newest first. */
const idAt = 17

const kinds: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ...['ik', 'ip', 'iu', 'ir', 'ia', 'im', 'ix'].map((name) => [name, { shape: 'set', isThere: session }] as const),
  ['in', { shape: 'list', isThere: (context, text, place) => session(context, text, place.slice(idAt)) }],
  ['j', { shape: 'text', isThere: (context, id, sessionId) => isRunThere(context, { id: id as RunId, sessionId: sessionId as SessionId }) }],
  ['jk', { shape: 'set', isThere: (context, _text, id) => run(context, id) }],
  ['jn', { shape: 'list', isThere: (context, _text, place) => run(context, place.slice(idAt)) }],
  ['m', { shape: 'text', isThere: (context, _text, named) => run(context, unpair(named)[0]) }],
  ...['ig', 'is'].map((name) => [name, { shape: 'set', isThere: artifact }] as const)
])

/** What every key with entries looks like to `SCAN`, and a few others. */
export function leadPattern(prefix: string): string {
  return `${prefix}{*}[ijm]*:*`
}

function split(key: string): readonly [string, string] {
  const at = key.indexOf(':')
  return [key.slice(0, at), key.slice(at + 1)]
}

function kindOf(key: string): Kind {
  const kind = kinds.get(split(key)[0])
  if (kind === undefined) throw new RangeError(`${key} holds no entries`)
  return kind
}

/** Finds the key with entries of a name as a server has it; undefined for any other. */
export function leadPlaces({ keys }: Pick<RedisContext, 'keys'>): (name: string) => Omit<Lead, 'member'> | undefined {
  const buckets = new Map(keys.buckets.map((bucket) => [bucket.prefix, bucket]))
  return (name) => {
    const at = name.indexOf('}') + 1
    const [bucket, key] = [buckets.get(name.slice(0, at)), name.slice(at)]
    return bucket !== undefined && kinds.has(split(key)[0]) ? { bucket, key } : undefined
  }
}

/** Entries of one key from a place on, and the place after them; `0` is the first, and comes after the last. */
export async function readLeads(
  { shards }: Context,
  { bucket, key }: Omit<Lead, 'member'>,
  from: string,
  max: number
): Promise<{ readonly leads: readonly Lead[]; readonly next: string }> {
  const { shape } = kindOf(key)
  if (shape === 'text') {
    const text = await shards.read(bucket, 'GET', key)
    return { leads: text === null ? [] : [{ bucket, key, member: String(text) }], next: '0' }
  }
  const reply = await shards.read(bucket, shape === 'list' ? 'ZSCAN' : 'SSCAN', key, from, 'COUNT', String(max))
  const { next, found } = scanned(reply)
  const members = found.filter((_, i) => shape === 'set' || i % 2 === 0)
  return { leads: members.map((member) => ({ bucket, key, member })), next }
}

/** Whether what an entry leads to is there. */
export function isLeading(context: Context, { key, member }: Lead): Promise<boolean> {
  return kindOf(key).isThere(context, split(key)[1], member)
}

const drops: Readonly<Record<Shape, string>> = { set: 'set_drop', list: 'list_drop', text: 'drop_if' }
const puts: Readonly<Record<Shape, string>> = { set: 'set_add', list: 'list_add', text: 'first' }

export async function dropLead({ shards }: Context, { bucket, key, member }: Lead): Promise<void> {
  await shards.write(bucket, drops[kindOf(key).shape], [key, member], { isEnding: true })
}

/** Puts one back that was dropped. */
export async function putLead({ shards }: Context, { bucket, key, member }: Lead): Promise<void> {
  const again = { name: puts[kindOf(key).shape], args: [key, member] }
  await shards.write(bucket, again.name, again.args, { isEnding: true, again })
}

/** One name for each entry. */
export function nameOfLead({ bucket, key, member }: Lead): string {
  return pair(bucket.prefix + key, member)
}
