import { revocationFingerprint, type RevocationPage } from './revocation-page.ts'
import { type RevocationKey, revocationKey, RevokedSet } from './revoked-set.ts'

/** What a gateway knows of revoked sessions, and how well it knows it. */
export interface RevocationList {
  isRevoked(sri: string, nowMs: number): boolean
  /** The same for a session that is known by its key. */
  isListed(key: RevocationKey, nowMs: number): boolean
  /** Ends one session of this gateway alone: the list of the authority says nothing of it. */
  add(sri: string, untilMs: number, nowMs: number): void
  /**
   * Takes a page in when it continues what is known. `gap`: something between is missing, or the page was seen
   * before; nothing is taken in, and the reader asks again from {@link position}.
   */
  take(page: RevocationPage, nowMs: number): 'taken' | 'gap'
  /** Where the feed goes on. */
  readonly position: number
  /** When everything on the list was known for the last time; undefined before the first whole reading. */
  readonly completeAtMs: number | undefined
  readonly size: number
  readonly bytes: number
}

/** @param onRevoked - called with the fingerprint of every session that is new on the list */
export function createRevocationList(onRevoked: (fingerprint: string) => void): RevocationList {
  const revoked = new RevokedSet()
  const known = { position: 0, completeAtMs: undefined as number | undefined }
  const put = (fingerprint: string, untilSeconds: number, nowMs: number): void => {
    revoked.add(fingerprint, untilSeconds, Math.floor(nowMs / 1000))
    onRevoked(fingerprint)
  }
  return {
    isListed: (key, nowMs) => revoked.has(key, Math.floor(nowMs / 1000)),
    isRevoked: (sri, nowMs) => revoked.has(revocationKey(revocationFingerprint(sri)), Math.floor(nowMs / 1000)),
    add: (sri, untilMs, nowMs) => put(revocationFingerprint(sri), Math.ceil(untilMs / 1000), nowMs),
    take(page, nowMs) {
      if (page.prev !== known.position) return 'gap'
      for (const { fingerprint, untilSeconds } of page.entries) put(fingerprint, untilSeconds, nowMs)
      known.position = page.seq
      if (!page.hasMore) known.completeAtMs = nowMs
      return 'taken'
    },
    get position() {
      return known.position
    },
    get completeAtMs() {
      return known.completeAtMs
    },
    get size() {
      return revoked.size
    },
    get bytes() {
      return revoked.bytes
    }
  }
}
