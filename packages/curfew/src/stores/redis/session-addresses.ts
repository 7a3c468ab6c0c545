import { addressesOf, type Session } from '../../core/session.ts'
import { addEntries, membersOf, sessionEntries } from './index-sets.ts'
import { newest } from './newest.ts'
import type { Durability } from '../store.ts'
import { type RedisContext, weakest } from './redis-context.ts'
import { readSessions } from './session-rows.ts'

/** From this format on every node writes the entries of addresses. */
const addressFormat = 3
/** The note that says that no session lacks its entries. */
const note = 'addresses'
/** Sessions that are read at once while entries are filled in. */
const pageSize = 500

/**
 * Live sessions of an address, oldest first, by their entries. As long as sessions may be there that a former node opened
 * without, a look-up gives those of every session what they lack, page by page; once no such node is left, one pass is the
 * last, and it is noted for all nodes.
 */
export function byAddress(context: RedisContext): (address: string) => Promise<readonly Session[]> {
  let isComplete = false
  const fillOnce = oneAfterTheOther(() => fill(context))
  return async (address) => {
    isComplete ||= await isNoted(context)
    if (!isComplete) await fillOnce()
    const found = await readSessions(context, await membersOf(context, 'ia', address))
    return found
      .filter((session) => session.end === undefined && addressesOf(session).includes(address))
      .sort((a, b) => a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1))
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

async function isNoted({ shards, keys }: RedisContext): Promise<boolean> {
  return (await shards.read(keys.common, 'HGET', 'notes', note)) !== null
}

async function fill(context: RedisContext): Promise<void> {
  const { shards, keys } = context
  // Read before: a node that comes later does not write less.
  const written = Number((await shards.read(keys.common, 'GET', 'format')) ?? 1)
  let durability: Durability = 'local'
  // One bucket after the other: what people wait for goes between.
  for (const bucket of keys.buckets) {
    let page: string[] = []
    for await (const { id } of newest(context, [{ bucket, key: 'list' }], { atMs: Number.MAX_SAFE_INTEGER, id: '' }, pageSize)) {
      if (page.push(id) < pageSize) continue
      durability = weakest([durability, await fillThese(context, page)])
      page = []
    }
    durability = weakest([durability, await fillThese(context, page)])
  }
  // What the copies do not have yet may be lost again.
  if (written >= addressFormat && durability !== 'degraded') await shards.write(keys.common, 'note', [note, 'all'], { isEnding: true })
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
