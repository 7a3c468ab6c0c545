import { LRUCache } from 'lru-cache'
import { addressesOf, type Session } from '../../core/session.ts'
import { addEntries, membersOf, sessionEntries } from './index-sets.ts'
import { newest } from './newest.ts'
import type { Durability } from '../store.ts'
import { type RedisContext, weakest } from './redis-context.ts'
import { readSessions } from './session-rows.ts'

/** From this format on every node writes the entries of addresses. */
const addressFormat = 3
/** The note that says when the first and the last pass began after which no session of before lacked its entries. */
const note = 'addresses'
/** Sessions that are read at once while entries are filled in. */
const pageSize = 500
/**
 * For so long after the first pass a process of a former version may be there that nobody counts: it was away, its name is
 * gone, and it serves until it hears that. One pass after this time is the last.
 */
const formerMs = 86_400_000
/** A pass goes back so far before the one before it: a session may be written later than it was made. */
const overlapMs = 600_000
/** An entry whose session is not there is dropped when it is still not there after so long: one that is being opened has its entries first. */
const goneMs = 600_000
const goneMax = 10_000

/**
 * Live sessions of an address, oldest first, by their entries. As long as sessions may be there that a former node opened
 * without, a look-up gives those what they lack, page by page: every session at first, and those that came since once no
 * such node is left that the others know of. Entries that a former node left behind when it forgot their session go, too.
 */
export function byAddress(context: RedisContext, nowMs: () => number): (address: string) => Promise<readonly Session[]> {
  let isComplete = false
  const fillOnce = oneAfterTheOther(() => fill(context, nowMs()))
  const dropGone = goneEntries(context, nowMs)
  return async (address) => {
    if (!isComplete) {
      const passes = await readPasses(context)
      isComplete = passes !== undefined && passes.lastMs - passes.firstMs >= formerMs
      if (!isComplete) await fillOnce()
    }
    const ids = await membersOf(context, 'ia', address)
    const found = await readSessions(context, ids)
    await dropGone(address, ids, found)
    return found
      .filter((session) => session.end === undefined && addressesOf(session).includes(address))
      .sort((a, b) => a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1))
  }
}

/** Remembers entries that lead nowhere, and drops them when they still do much later. */
function goneEntries({ shards, keys }: RedisContext, nowMs: () => number) {
  const seenAtMs = new LRUCache<string, number>({ max: goneMax })
  return async (address: string, ids: readonly string[], found: readonly Session[]): Promise<void> => {
    const there = new Set<string>(found.map(({ id }) => id))
    for (const id of ids) {
      if (there.has(id)) {
        seenAtMs.delete(id)
        continue
      }
      const sinceMs = seenAtMs.get(id)
      if (sinceMs === undefined) seenAtMs.set(id, nowMs())
      else if (nowMs() - sinceMs >= goneMs) await shards.write(keys.ofText(address), 'set_drop', [`ia:${address}`, id], { isEnding: true })
    }
  }
}

/** Never twice at a time. Whoever comes during one waits for the next, which all share: the one under way may have passed what they mean. */
function oneAfterTheOther(work: () => Promise<void>): () => Promise<void> {
  let underWay: Promise<void> | undefined
  let next: Promise<void> | undefined
  const begin = (): Promise<void> => {
    const begun = work().finally(() => {
      if (underWay === begun) underWay = undefined
    })
    underWay = begun
    return begun
  }
  return () => {
    if (underWay === undefined) return begin()
    next ??= underWay
      .catch(() => undefined)
      .then(() => {
        next = undefined
        return begin()
      })
    return next
  }
}

interface Passes {
  readonly firstMs: number
  readonly lastMs: number
}

async function readPasses({ shards, keys }: RedisContext): Promise<Passes | undefined> {
  const [firstMs = Number.NaN, lastMs = Number.NaN] = String(await shards.read(keys.common, 'HGET', 'notes', note))
    .split(' ')
    .map(Number)
  return Number.isNaN(firstMs) || Number.isNaN(lastMs) ? undefined : { firstMs, lastMs }
}

async function fill(context: RedisContext, startedMs: number): Promise<void> {
  const { shards, keys } = context
  // Read before: a node that comes later does not write less.
  const written = Number((await shards.read(keys.common, 'GET', 'format')) ?? 1)
  const passes = await readPasses(context)
  const sinceMs = passes === undefined ? 0 : passes.lastMs - overlapMs
  let durability: Durability = 'local'
  // One bucket after the other: what people wait for goes between.
  for (const bucket of keys.buckets) {
    let page: string[] = []
    for await (const { atMs, id } of newest(context, [{ bucket, key: 'list' }], { atMs: Number.MAX_SAFE_INTEGER, id: '' }, pageSize)) {
      if (atMs < sinceMs) break
      if (page.push(id) < pageSize) continue
      durability = weakest([durability, await fillThese(context, page)])
      page = []
    }
    durability = weakest([durability, await fillThese(context, page)])
  }
  // What the copies do not have yet may be lost again.
  if (written < addressFormat || durability === 'degraded') return
  await shards.write(keys.common, 'note', [note, `${passes?.firstMs ?? startedMs} ${startedMs}`], { isEnding: true })
}

/** Writes the entries that are not there, and says how safe those are. */
async function fillThese(context: RedisContext, ids: readonly string[]): Promise<Durability> {
  const live = (await readSessions(context, ids)).filter((session) => session.end === undefined)
  const entries = live.flatMap((session) => sessionEntries(context, session).filter(({ key }) => key.startsWith('ia:')))
  const there = await Promise.all(entries.map(({ bucket, key, member }) => context.shards.read(bucket, 'SISMEMBER', key, member)))
  return addEntries(
    context,
    entries.filter((_, i) => Number(there[i]) === 0)
  )
}
