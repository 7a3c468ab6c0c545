import type { LRUCache } from 'lru-cache'
import type { RunId, SessionId } from '../../core/ids.ts'
import type { Durability } from '../store.ts'
import type { Bucket, Keys } from './keys.ts'
import type { Reply } from './link.ts'
import type { RedisTeller } from './redis-teller.ts'
import type { Shards } from './shards.ts'

/** What the parts of the store share. */
export interface RedisContext {
  readonly shards: Shards
  readonly keys: Keys
  readonly capacity: number
  /** What other regions are told. */
  readonly teller: RedisTeller
  /** Lines of the audit log that are kept; 0 keeps all. */
  readonly auditMax: number
  /** Session of a run: it never changes. */
  readonly runSessions: LRUCache<RunId, SessionId>
}

/** How safe several writes are together. */
export function weakest(durabilities: readonly Durability[]): Durability {
  return durabilities.includes('degraded') ? 'degraded' : durabilities.includes('local') ? 'local' : 'replicated'
}

/** An answer of `SCAN` and its like: where to go on, `0` at the end, and what was found. */
export function scanned(reply: Reply): { readonly next: string; readonly found: readonly string[] } {
  const [next, found] = Array.isArray(reply) ? (reply as readonly Reply[]) : []
  return { next: String(next ?? '0'), found: texts(found ?? null) }
}

/** An answer that is a list of texts. */
export function texts(reply: Reply): readonly string[] {
  return Array.isArray(reply) ? (reply as readonly Reply[]).map((item) => String(item ?? '')) : []
}

/** An answer that is a list in which things may be missing. */
export function maybeTexts(reply: Reply): readonly (string | undefined)[] {
  return Array.isArray(reply) ? (reply as readonly Reply[]).map((item) => (item === null ? undefined : String(item))) : []
}

/** Asks every bucket. */
export async function ofAll<T>({ keys }: Pick<RedisContext, 'keys'>, ask: (bucket: Bucket) => Promise<T>): Promise<readonly T[]> {
  return Promise.all(keys.buckets.map(ask))
}

/** Sum of a number of every bucket. */
export async function total(context: Pick<RedisContext, 'keys' | 'shards'>, command: 'ZCARD' | 'SCARD', key: string): Promise<number> {
  const counts = await ofAll(context, (bucket) => context.shards.read(bucket, command, key))
  return counts.reduce<number>((sum, count) => sum + Number(count), 0)
}
