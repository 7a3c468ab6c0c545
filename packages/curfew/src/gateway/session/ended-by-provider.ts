import { revocationFingerprint } from '@curfew/codecs'
import { createSenderRoom } from '../sender-room.ts'
import { sidName, type WebSession } from './web-session.ts'

/** What providers ended by OpenID Connect logout, in the memory of this process. Users and sessions are those of an issuer: others have the same names. */
export interface EndedByProvider {
  /** Every session of a user: what was signed in to before that moment is over. */
  endSubject(issuer: string, subject: string, atMs: number): void
  /**
   * One session, by a message that nobody signed: anybody can send it with any `sid`. A table of bounded size of its own
   * holds them, and what is in use there stays longest.
   * @param from - who sent it, by address: what is more than the share of one takes the place of its own. Absent: nobody knows,
   *   and it counts for no share
   */
  endSid(issuer: string, sid: string, from: string | undefined): void
  /** False where the next one of a sender takes the place of another of the same: that one may go on unseen. */
  hasRoomOf(from: string): boolean
  isEnded(session: WebSession): boolean
  /** Ended by an unsigned message already. */
  isSidEnded(issuer: string, sid: string): boolean
}

/** Entries before those are looked for that no session can be older than. */
const cleanAfter = 1_000
/** Sessions that were ended by an unsigned message. */
export const unsignedSidsMax = 50_000
/** What the messages of one address may take of them: an office behind one address, for as long as a session lasts. */
export const senderSidsMax = 5_000

/** @param maxMs - longest life of a web session: older entries say nothing any more */
export function createEndedByProvider(maxMs: number, steadyMs: () => number): EndedByProvider {
  const subjects = new Map<string, number>()
  const sids = createSenderRoom<{ readonly untilMs: number }>({ sizeMax: unsignedSidsMax, senderSizeMax: senderSidsMax })
  let cleanAt = cleanAfter
  const isSidEnded = (issuer: string, sid: string): boolean => sids.get(revocationFingerprint(sidName(issuer, sid))) !== undefined
  return {
    endSubject(issuer, subject, atMs) {
      const user = userName(issuer, subject)
      // They may come in any order, and more than once.
      subjects.set(user, Math.max(atMs, subjects.get(user) ?? 0))
      if (subjects.size < cleanAt) return
      for (const [known, knownAtMs] of subjects) if (knownAtMs + maxMs < atMs) subjects.delete(known)
      cleanAt = subjects.size + cleanAfter
    },
    endSid: (issuer, sid, from) => sids.add(revocationFingerprint(sidName(issuer, sid)), { untilMs: steadyMs() + maxMs }, from),
    hasRoomOf(from) {
      if (sids.hasRoom(from)) return true
      for (const [key, { untilMs }] of sids.of(from)) {
        if (untilMs > steadyMs()) break
        sids.delete(key)
      }
      return sids.hasRoom(from)
    },
    isSidEnded,
    isEnded: ({ issuer, subject, sid, startedAtMs }) =>
      (subjects.size > 0 && startedAtMs <= (subjects.get(userName(issuer, subject)) ?? -1)) || (sid !== undefined && sids.count > 0 && isSidEnded(issuer, sid))
  }
}

/** An issuer has no space in it. */
function userName(issuer: string, subject: string): string {
  return `${issuer} ${subject}`
}
