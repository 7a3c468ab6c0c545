import { EntriesInPlace, revocationFingerprint, type RevocationPage, type RevokedEntry } from './revocation-page.ts'
import { type RevocationKey, revocationKey, RevokedSet } from './revoked-set.ts'

/** What a gateway knows of revoked sessions, and how well it knows it. */
export interface RevocationList {
  isRevoked(sri: string, nowMs: number): boolean
  /** The same for a session that is known by its key. */
  isListed(key: RevocationKey, nowMs: number): boolean
  /** True for what {@link add} ended. Whoever asks for a name that the authority does not know need not look at its list. */
  isAdded(key: RevocationKey, nowMs: number): boolean
  /** Ends one session of this gateway alone: the list of the authority says nothing of it. */
  add(sri: string, untilMs: number, nowMs: number): void
  /**
   * Takes a page in when it continues what is known. `gap`: something between is missing, or the page was seen
   * before; nothing is taken in, and the reader asks again from {@link position}. `other`: the same, and the page is of
   * another list than what was taken before, or of one that was set back: {@link position} is its start now. What is
   * known of the former one stays known.
   */
  take(page: RevocationPage<Iterable<RevokedEntry>>, nowMs: number): 'taken' | 'gap' | 'other'
  /** Where the feed goes on. */
  readonly position: number
  /**
   * When everything on the list was known for the last time, as the authority said: a page that was held back tells of
   * the moment that it was signed at. Undefined before the first whole reading.
   */
  readonly completeAtMs: number | undefined
  /**
   * How long ago that was: by the date, or by time that no change of the date moves, whichever says more. A date that is set
   * back makes nothing young, and a machine that slept nothing either. Undefined before the first whole reading.
   */
  ageMs(nowMs: number): number | undefined
  /** How long ago the last page came of a list that is not read to its end yet; undefined when it is, and before the first page. */
  readingMs(): number | undefined
  /** For how long the list remembers what is put on it, as its last page said: of an older session it can say nothing. */
  readonly lifetimeMs: number | undefined
  readonly size: number
  readonly bytes: number
}

/**
 * How far the clock of the authority may be behind ours before what is known of the list counts as older than it is. Behind
 * by this and what the list counts for with who asks, nothing that comes ever counts.
 */
export const feedClockAllowanceMs = 5_000

/** When everything was known: by the date, and by the time that goes on whatever is done to it. */
interface Moment {
  readonly atMs: number
  readonly steadyAtMs: number
}

/**
 * @param onRevoked - called with the fingerprint of every session that is new on the list
 * @param steadyMs - milliseconds since some moment in the past, which the date of the machine does not move
 * @param mayHold - whether it matters: by the second four octets of the fingerprint, as a number of 32 bits with a sign. With
 *   it no fingerprint is made of millions that nothing is open under
 */
export function createRevocationList(
  onRevoked: (fingerprint: string) => void,
  steadyMs: () => number,
  mayHold: (signedLow: number) => boolean = () => true
): RevocationList {
  const revoked = new RevokedSet()
  /** What was ended here: few, so that a look at them is a look at what the processor has at hand. */
  const added = new RevokedSet()
  const known = {
    position: 0,
    list: undefined as string | undefined,
    complete: undefined as Moment | undefined,
    readingAtMs: undefined as number | undefined,
    lifetimeMs: undefined as number | undefined
  }
  /** A page that was held back makes nothing older than it is. */
  const noteWhole = (issuedAtMs: number, nowMs: number): void => {
    const atMs = Math.min(nowMs, issuedAtMs + feedClockAllowanceMs)
    const steadyAtMs = steadyMs() - (nowMs - atMs)
    if (known.complete === undefined || steadyAtMs >= known.complete.steadyAtMs) known.complete = { atMs, steadyAtMs }
  }
  const isListed = (key: RevocationKey, nowMs: number): boolean => {
    const nowSeconds = Math.floor(nowMs / 1000)
    return added.has(key, nowSeconds) || revoked.has(key, nowSeconds)
  }
  const put = (set: RevokedSet, fingerprint: string, untilSeconds: number, nowMs: number): void => {
    set.add(fingerprint, untilSeconds, Math.floor(nowMs / 1000))
    onRevoked(fingerprint)
  }
  const putAll = (entries: Iterable<RevokedEntry>, nowMs: number): void => {
    if (!(entries instanceof EntriesInPlace)) {
      for (const { fingerprint, untilSeconds } of entries) put(revoked, fingerprint, untilSeconds, nowMs)
      return
    }
    const nowSeconds = Math.floor(nowMs / 1000)
    entries.each((high, low, untilSeconds, at) => {
      revoked.addNumbers(high, low, untilSeconds, nowSeconds)
      if (mayHold(low)) onRevoked(entries.fingerprintAt(at))
    })
  }
  return {
    isListed,
    isRevoked: (sri, nowMs) => isListed(revocationKey(revocationFingerprint(sri)), nowMs),
    isAdded: (key, nowMs) => added.has(key, Math.floor(nowMs / 1000)),
    add: (sri, untilMs, nowMs) => put(added, revocationFingerprint(sri), Math.ceil(untilMs / 1000), nowMs),
    take(page, nowMs) {
      // A page without a name is one of an older node: it says nothing of which list it is, only how far that goes.
      const isNamedOtherwise = page.list !== undefined && known.list !== undefined && page.list !== known.list
      const isOther = known.position > 0 && (isNamedOtherwise || (page.end ?? page.seq) < known.position)
      if (isOther) Object.assign(known, { position: 0, list: undefined, readingAtMs: steadyMs() })
      if (page.prev !== known.position) return isOther ? 'other' : 'gap'
      known.list = page.list ?? known.list
      putAll(page.entries, nowMs)
      known.position = page.seq
      if (page.lifetimeSeconds !== undefined) known.lifetimeMs = page.lifetimeSeconds * 1000
      known.readingAtMs = page.hasMore ? steadyMs() : undefined
      if (!page.hasMore) noteWhole(page.issuedAtMs, nowMs)
      return 'taken'
    },
    ageMs: (nowMs) => (known.complete === undefined ? undefined : Math.max(nowMs - known.complete.atMs, steadyMs() - known.complete.steadyAtMs)),
    readingMs: () => (known.readingAtMs === undefined ? undefined : steadyMs() - known.readingAtMs),
    get position() {
      return known.position
    },
    get completeAtMs() {
      return known.complete?.atMs
    },
    get lifetimeMs() {
      return known.lifetimeMs
    },
    get size() {
      return revoked.size + added.size
    },
    get bytes() {
      return revoked.bytes + added.bytes
    }
  }
}
