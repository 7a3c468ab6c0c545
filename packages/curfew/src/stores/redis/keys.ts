import type { SessionId } from '../../core/ids.ts'
import { bucketTags, slotOfTag, spread } from './slots.ts'

/** Where things are: every key belongs to one bucket, every bucket to one slot. */
export interface Keys {
  readonly buckets: readonly Bucket[]
  /** Bucket of a session and of its runs. */
  ofSession(sessionId: SessionId): Bucket
  /** Bucket of anything that is found by its own text. */
  ofText(text: string): Bucket
  /** Where what is one for all lies: the feed, the audit log. */
  readonly common: Bucket
}

export interface Bucket {
  readonly index: number
  /** The hash tag between the braces. */
  readonly tag: string
  /** The slot of that. */
  readonly slot: number
  /** What every key of the bucket starts with. */
  readonly prefix: string
}

/** @param count - number of buckets, fixed when the store is created */
export function createKeys(prefix: string, count: number): Keys {
  const buckets = bucketTags(count).map((tag, index): Bucket => ({ index, tag, slot: slotOfTag(tag), prefix: `${prefix}{${tag}}` }))
  const at = (index: number): Bucket => {
    const bucket = buckets[index]
    if (bucket === undefined) throw new RangeError(`there is no bucket ${index}`)
    return bucket
  }
  return {
    buckets,
    // The two characters after the group say where a session is; what has none is spread by its text.
    ofSession: (sessionId) => at(spread(sessionId.length > 7 ? sessionId.slice(5, 7) : sessionId, count)),
    ofText: (text) => at(spread(text, count)),
    common: at(0)
  }
}

/** Two texts as one; the length keeps `a` + `bc` apart from `ab` + `c`. */
export function pair(a: string, b: string): string {
  return `${a.length}:${a}${b}`
}

/** The two texts that {@link pair} put together. */
export function unpair(text: string): readonly [string, string] {
  const at = text.indexOf(':')
  const length = Number(text.slice(0, at))
  return [text.slice(at + 1, at + 1 + length), text.slice(at + 1 + length)]
}

/** Instants as text whose order is theirs. */
export function padded(ms: number): string {
  return String(ms).padStart(16, '0')
}
