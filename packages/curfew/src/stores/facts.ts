import type { Participant } from '../core/participant.ts'
import type { LogoutRun } from '../core/run.ts'
import type { Session } from '../core/session.ts'
import type { Renewal } from './store.ts'

/** Joins two facts about one participant. The order does not matter; joining the same fact again changes nothing. */
export function joinParticipant(a: Participant, b: Participant): Participant {
  const last = issuedLater(b, a) ? b : a
  const addedAtMs = Math.min(a.addedAtMs, b.addedAtMs)
  const assertionNotOnOrAfterMs = Math.max(a.assertionNotOnOrAfterMs, b.assertionNotOnOrAfterMs)
  if (last === a && addedAtMs === a.addedAtMs && assertionNotOnOrAfterMs === a.assertionNotOnOrAfterMs) return a
  return { ...last, addedAtMs, assertionNotOnOrAfterMs }
}

/** Equal times are decided by the address, then by the region, so that every order of the same facts ends the same. */
function issuedLater(b: Participant, a: Participant): boolean {
  if (b.lastIssuedAtMs !== a.lastIssuedAtMs) return b.lastIssuedAtMs > a.lastIssuedAtMs
  const [urlB, urlA] = [b.consumerUrl ?? '', a.consumerUrl ?? '']
  return urlB === urlA ? (b.group ?? '') > (a.group ?? '') : urlB > urlA
}

/**
 * Gives a session new cookies; the later proof wins, equal times are decided by the cookie, so that every order of the
 * same facts ends the same. Returns the session itself when nothing changes.
 */
export function joinRenewal(session: Session, renewal: Renewal): Session {
  if (!isLaterRenewal(renewal, session)) return session
  const { persistentTokenHash: _, device: _device, ...rest } = session
  return { ...rest, ...renewal, version: session.version + 1 }
}

export function isLaterRenewal(a: Renewal, b: Pick<Renewal, 'authenticatedAtMs' | 'tokenHash'> | undefined): boolean {
  if (b === undefined || a.authenticatedAtMs !== b.authenticatedAtMs) return a.authenticatedAtMs > (b?.authenticatedAtMs ?? 0)
  return a.tokenHash > b.tokenHash
}

/**
 * Until when an ended session stays known: its original expiry, and nothing issued in it or revoked with it may outlast
 * it. Without an absolute limit only the latter count.
 */
export function tombstoneUntilMs(session: Session, endedAtMs: number, revokedUntilMs: number | undefined, participants: Iterable<Participant>): number {
  let until = Math.max(endedAtMs, revokedUntilMs ?? 0)
  if (session.expiresAtMs !== Number.MAX_SAFE_INTEGER) until = Math.max(until, session.expiresAtMs)
  for (const participant of participants) until = Math.max(until, participant.assertionNotOnOrAfterMs)
  return until
}

/** Every message id of a run with its delivery; attempts are only ever added. */
export function* messagesOf(run: LogoutRun): Generator<{ readonly peerId: string; readonly messageId: string; readonly deliveryId: string }> {
  for (const delivery of run.deliveries) {
    for (const attempt of delivery.attempts) yield { peerId: delivery.peerId, messageId: attempt.messageId, deliveryId: delivery.id }
  }
}

/** Participants in the order they joined. */
export function inJoinOrder(participants: Iterable<Participant>): readonly Participant[] {
  return [...participants].sort((a, b) => a.addedAtMs - b.addedAtMs || (a.id < b.id ? -1 : 1))
}
