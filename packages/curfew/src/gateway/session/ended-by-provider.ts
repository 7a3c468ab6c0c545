import { LRUCache } from 'lru-cache'
import { revocationFingerprint } from '@curfew/codecs'
import type { WebSession } from './web-session.ts'

/** What the provider ended by OpenID Connect logout, in the memory of this process. */
export interface EndedByProvider {
  /** Every session of a user: what was signed in to before that moment is over. */
  endSubject(subject: string, atMs: number): void
  /**
   * One session, by a message that nobody signed: anybody can send it with any `sid`. A table of bounded size of its own
   * holds them, and what is in use there stays longest.
   */
  endSid(sid: string): void
  isEnded(session: WebSession): boolean
  /** Ended by an unsigned message already. */
  isSidEnded(sid: string): boolean
}

/** Entries before those are looked for that no session can be older than. */
const cleanAfter = 1_000
/** Sessions that were ended by an unsigned message. */
export const unsignedSidsMax = 50_000

/** @param maxMs - longest life of a web session: older entries say nothing any more */
export function createEndedByProvider(maxMs: number): EndedByProvider {
  const subjects = new Map<string, number>()
  const sids = new LRUCache<string, true>({ max: unsignedSidsMax })
  let cleanAt = cleanAfter
  return {
    endSubject(subject, atMs) {
      // They may come in any order, and more than once.
      subjects.set(subject, Math.max(atMs, subjects.get(subject) ?? 0))
      if (subjects.size < cleanAt) return
      for (const [known, knownAtMs] of subjects) if (knownAtMs + maxMs < atMs) subjects.delete(known)
      cleanAt = subjects.size + cleanAfter
    },
    endSid: (sid) => void sids.set(revocationFingerprint(sid), true),
    isSidEnded: (sid) => sids.get(revocationFingerprint(sid)) === true,
    isEnded: ({ subject, sid, startedAtMs }) =>
      startedAtMs <= (subjects.get(subject) ?? -1) || (sid !== undefined && sids.size > 0 && sids.get(revocationFingerprint(sid)) === true)
  }
}
