import type { ListPlace } from '../cursor.ts'
import type { Bucket } from './keys.ts'
import { placeOf } from './index-sets.ts'
import { type RedisContext, texts } from './redis-context.ts'

/** A list of one bucket, read newest first. */
export interface Source {
  readonly bucket: Bucket
  readonly key: string
}

/** Entries that are fetched from each list at once, at least. */
const chunkMin = 32

/**
 * Reads several lists as one, newest first, after a place. Of each list as much is fetched as is handed out, so what
 * is handed out is never older than something that was not looked at.
 */
export async function* newest(context: Pick<RedisContext, 'shards'>, sources: readonly Source[], after: ListPlace, limit: number): AsyncGenerator<ListPlace> {
  const chunk = Math.max(chunkMin, limit)
  let from = `(${placeOf(after.atMs, after.id)}`
  for (;;) {
    const lists = await Promise.all(
      sources.map(async ({ bucket, key }) => texts(await context.shards.read(bucket, 'ZRANGE', key, from, '-', 'BYLEX', 'REV', 'LIMIT', '0', String(chunk))))
    )
    const found = lists.flat().sort(descending).slice(0, chunk)
    for (const text of found) yield { atMs: Number(text.slice(0, 16)), id: text.slice(17) }
    const last = found.at(-1)
    if (last === undefined || found.length < chunk) return
    from = `(${last}`
  }
}

function descending(a: string, b: string): number {
  return a < b ? 1 : a > b ? -1 : 0
}
