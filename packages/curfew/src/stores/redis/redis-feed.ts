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
 * there it goes onto the list and into the feed, which is one for all. What a crash left behind goes on with the next
 * reader.
 */
export interface Feed {
  publish(revoking: Revoking): Promise<void>
  /** @param isForeign - another region told it */
  revoke(sri: string, untilMs: number, atMs: number, isForeign?: boolean): Promise<Answer>
  /** Publishes what endings left behind, then reads. */
  read(cursor: number, max: number): Promise<readonly RevocationEntry[]>
  /** Which list it is; one that has no name gets one. */
  mark(): Promise<RevocationListMark>
  /** Publishes what endings left behind. */
  settle(): Promise<void>
}

/** @param token - tells this process from every other */
export function createFeed(context: Pick<RedisContext, 'shards' | 'keys'>, token: string): Feed {
  const { shards, keys } = context
  let named = 0
  const revoke = async (sri: string, untilMs: number, atMs: number, isForeign = false): Promise<Answer> => {
    const args = [sri, String(untilMs), String(atMs)]
    const answer = await shards.write(keys.ofText(sri), 'revoke', args, { isEnding: true, isForeign, again: { name: 'revoke', args } })
    const [, since = '', until = ''] = texts(answer.reply)
    const entry = [sri, until, since]
    const { durability } = await shards.write(keys.common, 'feed', entry, { isEnding: true, isForeign, again: { name: 'feed', args: entry } })
    return { ...answer, durability: weakest([answer.durability, durability]) }
  }
  const publish = async ({ sessionId, sri, untilMs, atMs }: Revoking): Promise<void> => {
    await revoke(sri, untilMs, atMs)
    await shards.write(keys.ofSession(sessionId), 'revoked', [sessionId], { isEnding: true })
  }
  const settle = async (): Promise<void> => {
    const left = await ofAll(context, async (bucket) => texts(await shards.read(bucket, 'HGETALL', 'revoking')))
    for (const fields of left) {
      for (let i = 0; i + 1 < fields.length; i += 2) {
        const [sri = '', until = '', at = ''] = (fields[i + 1] ?? '').split(' ')
        await publish({ sessionId: fields[i] as SessionId, sri, untilMs: Number(until), atMs: Number(at) })
      }
    }
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
      await settle()
      const found = texts(await shards.readFunction(keys.common, 'feed_read', String(cursor), String(max)))
      const entries: RevocationEntry[] = []
      for (let i = 0; i + 3 < found.length; i += 4) {
        entries.push({ cursor: Number(found[i]), sri: found[i + 1] ?? '', untilMs: Number(found[i + 2]), atMs: Number(found[i + 3]) })
      }
      return entries
    }
  }
}
