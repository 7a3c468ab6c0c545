import type { SessionId } from '../../core/ids.ts'
import type { RevocationEntry, RevocationListMark } from '../store.ts'
import { ofAll, type RedisContext, texts, weakest } from './redis-context.ts'
import type { Answer } from './shards.ts'

/** One revocation that the end of a session left in its bucket. */
export interface Revoking {
  readonly sessionId: SessionId
  readonly sri: string
  readonly untilMs: number
  readonly atMs: number
}

/**
 * The revocation list and its feed. An ending leaves its revocation in the bucket of the session, in the same step; from
 * there it goes onto the list and into the feed, which is one for all, and leaves the session when copies have it there. What
 * a crash left behind goes on with the next reader.
 */
export interface Feed {
  publish(revoking: Revoking): Promise<void>
  /** @param isForeign - another region told it */
  revoke(sri: string, untilMs: number, atMs: number, isForeign?: boolean): Promise<Answer>
  /** What follows; where that is less than asked for, what endings left behind is on it. */
  read(cursor: number, max: number): Promise<readonly RevocationEntry[]>
  /** Which list it is; one that has no name gets one. */
  mark(): Promise<RevocationListMark>
  /** Publishes what endings left behind. */
  settle(): Promise<void>
}

/**
 * How often readers look into every bucket for what endings left behind, those of one process together. An ending puts its
 * revocation on the list itself: there is one to find only where its process died on the way, or its answer got lost.
 */
export const lookMsMin = 250
/** A revocation that too few copies have stays with its session, and is put on the list again so often. */
const againMsMin = 5_000
/** So many of them in one process at most; what is more is owed to the copies alone. */
const unconfirmedMax = 1_000

/**
 * @param token - tells this process from every other
 * @param steadyMs - milliseconds since some moment in the past, which the date of the machine does not move
 */
export function createFeed(context: Pick<RedisContext, 'shards' | 'keys'>, token: string, steadyMs: () => number): Feed {
  const { shards, keys } = context
  let named = 0
  let published = 0
  let look = { beganMs: Number.NEGATIVE_INFINITY, isUnderWay: false, done: Promise.resolve() }
  /** @param isOwed - what copies do not have is sent to them again */
  const put = async (sri: string, untilMs: number, atMs: number, isForeign: boolean, isOwed: boolean): Promise<Answer> => {
    const promised = (name: string, args: readonly string[]) => ({ isEnding: true, isForeign, ...(isOwed ? { again: { name, args } } : {}) })
    const args = [sri, String(untilMs), String(atMs)]
    const answer = await shards.write(keys.ofText(sri), 'revoke', args, promised('revoke', args))
    const [, since = '', until = ''] = texts(answer.reply)
    const entry = [sri, until, since]
    const { durability } = await shards.write(keys.common, 'feed', entry, promised('feed', entry))
    return { ...answer, durability: weakest([answer.durability, durability]) }
  }
  const revoke: Feed['revoke'] = (sri, untilMs, atMs, isForeign = false) => put(sri, untilMs, atMs, isForeign, true)
  /** When what too few copies have was last put on the list. */
  const unconfirmed = new Map<SessionId, number>()
  const publish = async ({ sessionId, sri, untilMs, atMs }: Revoking): Promise<void> => {
    // What was put on the list before is owed to the copies already.
    const { durability } = await put(sri, untilMs, atMs, false, !unconfirmed.has(sessionId))
    unconfirmed.delete(sessionId)
    if (durability === 'degraded' && unconfirmed.size < unconfirmedMax) {
      unconfirmed.set(sessionId, steadyMs())
      return
    }
    await shards.write(keys.ofSession(sessionId), 'revoked', [sessionId], { isEnding: true })
  }
  const settle = async (): Promise<void> => {
    const begunMs = steadyMs()
    const left = await ofAll(context, async (bucket) => texts(await shards.read(bucket, 'HGETALL', 'revoking')))
    // What another process has put on the list meanwhile is gone from its session.
    const there = new Set(left.flatMap((fields) => fields.filter((_, i) => i % 2 === 0)))
    for (const [sessionId, atMs] of unconfirmed) if (atMs < begunMs && !there.has(sessionId)) unconfirmed.delete(sessionId)
    for (const fields of left) {
      for (let i = 0; i + 1 < fields.length; i += 2) {
        const [sri = '', until = '', at = ''] = (fields[i + 1] ?? '').split(' ')
        const sessionId = fields[i] as SessionId
        if (steadyMs() - (unconfirmed.get(sessionId) ?? Number.NEGATIVE_INFINITY) < againMsMin) continue
        await publish({ sessionId, sri, untilMs: Number(until), atMs: Number(at) })
        published += 1
      }
    }
  }
  /** {@link settle}, for all who read at about this time: it asks every bucket. */
  const settleTogether = (): Promise<void> => {
    if (look.isUnderWay || steadyMs() - look.beganMs < lookMsMin) return look.done
    const begun = { beganMs: steadyMs(), isUnderWay: true, done: Promise.resolve() }
    begun.done = settle()
      .catch((error: unknown) => {
        // The next reader looks again.
        begun.beganMs = Number.NEGATIVE_INFINITY
        throw error
      })
      .finally(() => {
        begun.isUnderWay = false
      })
    look = begun
    return begun.done
  }
  const entriesAfter = async (cursor: number, max: number): Promise<readonly RevocationEntry[]> => {
    const found = texts(await shards.readFunction(keys.common, 'feed_read', String(cursor), String(max)))
    const entries: RevocationEntry[] = []
    for (let i = 0; i + 3 < found.length; i += 4) {
      entries.push({ cursor: Number(found[i]), sri: found[i + 1] ?? '', untilMs: Number(found[i + 2]), atMs: Number(found[i + 3]) })
    }
    return entries
  }
  return {
    publish,
    revoke,
    settle,
    async mark() {
      const [known, end] = await Promise.all([shards.read(keys.common, 'HGET', 'notes', 'list'), shards.read(keys.common, 'GET', 'cursor')])
      if (known !== null) return { id: String(known), end: Number(end ?? 0) }
      named += 1
      await shards.write(keys.common, 'note', ['list', `${token}-${named}`], { isEnding: true })
      return this.mark()
    },
    async read(cursor, max) {
      const before = published
      const found = await entriesAfter(cursor, max)
      // Who gets all that was asked for comes again for the rest.
      if (found.length >= max) return found
      await settleTogether()
      return published === before ? found : entriesAfter(cursor, max)
    }
  }
}
