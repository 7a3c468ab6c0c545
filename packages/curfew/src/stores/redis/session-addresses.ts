import { addressesOf, type Session } from '../../core/session.ts'
import { addEntries, membersOf, sessionEntries } from './index-sets.ts'
import { newest } from './newest.ts'
import { ofAll, type RedisContext } from './redis-context.ts'
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
  return async (address) => {
    isComplete ||= await isNoted(context)
    if (!isComplete) await fill(context)
    const found = await readSessions(context, await membersOf(context, 'ia', address))
    return found
      .filter((session) => session.end === undefined && addressesOf(session).includes(address))
      .sort((a, b) => a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1))
  }
}

async function isNoted({ shards, keys }: RedisContext): Promise<boolean> {
  return (await shards.read(keys.common, 'HGET', 'notes', note)) !== null
}

async function fill(context: RedisContext): Promise<void> {
  const { shards, keys } = context
  // Read before: a node that comes later does not write less.
  const written = Number((await shards.read(keys.common, 'GET', 'format')) ?? 1)
  await ofAll(context, async (bucket) => {
    let page: string[] = []
    for await (const { id } of newest(context, [{ bucket, key: 'list' }], { atMs: Number.MAX_SAFE_INTEGER, id: '' }, pageSize)) {
      if (page.push(id) < pageSize) continue
      await fillThese(context, page)
      page = []
    }
    await fillThese(context, page)
  })
  if (written >= addressFormat) await shards.write(keys.common, 'note', [note, 'all'], { isEnding: true })
}

async function fillThese(context: RedisContext, ids: readonly string[]): Promise<void> {
  const live = (await readSessions(context, ids)).filter((session) => session.end === undefined)
  const entries = live.flatMap((session) => sessionEntries(context, session).filter(({ key }) => key.startsWith('ia:')))
  await addEntries(context, entries)
}
