import type { RunId, SessionId } from '../../core/ids.ts'
import type { Bucket } from './keys.ts'
import { ofAll, type RedisContext, texts } from './redis-context.ts'
import { purgeArtifact } from './redis-artifacts.ts'
import type { Feed } from './redis-feed.ts'
import { purgeRun } from './redis-runs.ts'
import { purgeSession } from './redis-sessions.ts'

/** One kind of entry that is removed after its time, and the list of every bucket that says when. */
interface Purged {
  readonly list: string
  readonly beforeMs: number
  remove(member: string, bucket: Bucket): Promise<number>
}

export interface PurgeLimits {
  readonly nowMs: number
  readonly keepRunsMs: number
  readonly max: number
}

/** Oldest first within each kind, kind after kind, until `max` entries are gone. */
export async function purge(context: RedisContext, feed: Feed, { nowMs, keepRunsMs, max }: PurgeLimits): Promise<number> {
  await feed.settle()
  let left = max
  for (const kind of kinds(context, nowMs, keepRunsMs)) {
    for (const { member, bucket } of await past(context, kind, left)) left -= await kind.remove(member, bucket)
    if (left <= 0) break
  }
  return max - left
}

function kinds(context: RedisContext, nowMs: number, keepRunsMs: number): readonly Purged[] {
  const { shards, keys } = context
  const now = String(nowMs)
  const call = async (bucket: Bucket, name: string, args: readonly string[]): Promise<number> =>
    Number((await shards.write(bucket, name, args, { isEnding: true })).reply)
  return [
    { list: 'keep', beforeMs: nowMs, remove: (id) => purgeSession(context, id as SessionId, nowMs) },
    {
      list: 'vx',
      beforeMs: nowMs,
      async remove(sri, bucket) {
        const removed = await call(bucket, 'purge_revocation', [sri, now])
        if (removed === 1) await call(keys.common, 'unfeed', [sri, now])
        return removed
      }
    },
    { list: 'yx', beforeMs: nowMs, remove: (name, bucket) => call(bucket, 'purge_replay', [name, now]) },
    { list: 'tx', beforeMs: nowMs, remove: (key, bucket) => call(bucket, 'purge_timed', ['t:', 'tx', key, now]) },
    { list: 'ttx', beforeMs: nowMs, remove: (key, bucket) => call(bucket, 'purge_timed', ['tt:', 'ttx', key, now]) },
    { list: 'gx', beforeMs: nowMs, remove: (id, bucket) => call(bucket, 'purge_listed', ['g:', 'gx', id, now]) },
    { list: 'zx', beforeMs: nowMs, remove: (name, bucket) => call(bucket, 'purge_listed', ['z:', 'zx', name, now]) },
    { list: 'lcx', beforeMs: nowMs, remove: (user, bucket) => call(bucket, 'purge_cleared', [user, now]) },
    { list: 'ax', beforeMs: nowMs, remove: (name) => purgeArtifact(context, name, nowMs) },
    {
      list: 'lx',
      beforeMs: nowMs,
      remove(member, bucket) {
        const at = member.lastIndexOf('\0')
        return call(bucket, 'purge_lock', [member.slice(0, at), member.slice(at + 1), now])
      }
    },
    { list: 'done', beforeMs: nowMs - keepRunsMs, remove: (id, bucket) => purgeRun(context, id as RunId, { bucket, finishedBeforeMs: nowMs - keepRunsMs }) }
  ]
}

/** What is past its time, the longest past first. */
async function past(
  { shards, ...context }: RedisContext,
  { list, beforeMs }: Purged,
  max: number
): Promise<readonly { readonly member: string; readonly bucket: Bucket }[]> {
  const lists = await ofAll(context, async (bucket) => {
    const found = texts(await shards.read(bucket, 'ZRANGE', list, '-inf', String(beforeMs), 'BYSCORE', 'LIMIT', '0', String(max), 'WITHSCORES'))
    return found.flatMap((member, i) => (i % 2 === 0 ? [{ member, bucket, atMs: Number(found[i + 1]) }] : []))
  })
  return lists
    .flat()
    .sort((a, b) => a.atMs - b.atMs || (a.member < b.member ? -1 : 1))
    .slice(0, max)
}
