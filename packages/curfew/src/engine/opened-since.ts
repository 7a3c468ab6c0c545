import type { DeliveryId } from '../core/ids.ts'
import type { Participant } from '../core/participant.ts'
import type { Delivery, LogoutRun } from '../core/run.ts'
import { isLive } from '../core/session.ts'
import { channelOf } from '../core/step.ts'
import type { SessionParticipant, Store } from '../stores/store.ts'

/**
 * True when a message of this run would end a newer sign-in, because it can not tell the two apart.
 *
 * An application that was opened again after a logout that left the session alone began has one name for the session,
 * before and after. A picture ends the session at its own host alone: what was opened at another one does not count for it.
 *
 * Where the session ended nothing can be issued in it any more. But an identity provider that gave no SessionIndex, and is
 * told from server to server, is told the user alone, and ends whatever this user has there: also what began there since.
 */
export async function isOpenedSince(
  store: Pick<Store, 'getParticipants' | 'findByNameId' | 'getSession'>,
  run: LogoutRun | undefined,
  deliveryId: DeliveryId,
  nowMs: number
): Promise<boolean> {
  const delivery = run?.deliveries.find(({ id }) => id === deliveryId)
  if (run === undefined || delivery === undefined || delivery.grant !== undefined) return false
  if (namesUserAlone(delivery) && (await isSignedInSince(store, run, delivery, nowMs))) return true
  if (run.isPartial !== true) return false
  const { peerId, sessionIndex, participantId, channels } = delivery
  const isOfHost = channels.length > 0 && channels.every(({ binding }) => binding === 'image')
  const participants = await store.getParticipants(run.sessionId)
  const isMeant = (one: Participant): boolean => (isOfHost ? one.id === participantId : one.peerId === peerId && one.sessionIndex === sessionIndex)
  return participants.some((one) => isMeant(one) && one.lastIssuedAtMs > run.startedAtMs)
}

/** A browser brings the session that is meant with it, and whoever it belonged to would stay signed in there if it were not sent. */
function namesUserAlone(delivery: Delivery): boolean {
  return delivery.sessionIndex === '' && channelOf(delivery)?.kind === 'server'
}

/** In another session that goes on, and that came from a sign-in there which is newer than this logout. */
async function isSignedInSince(
  store: Pick<Store, 'findByNameId' | 'getSession'>,
  run: LogoutRun,
  { peerId, nameId }: Delivery,
  nowMs: number
): Promise<boolean> {
  const others = (await store.findByNameId(peerId, nameId.value)).filter(({ session }) => session.id !== run.sessionId && isLive(session, nowMs))
  if (others.length === 0) return false
  // By the clock of the provider, which may be ahead: the sign-in of the session that ended is not newer than that session.
  const ended = await store.getSession(run.sessionId)
  const sinceMs = Math.max(run.startedAtMs, ended?.sourceId === peerId ? ended.authenticatedAtMs : 0)
  return others.some((one) => cameAtMs(one) > run.startedAtMs && beganThereAtMs(one) > sinceMs)
}

/** When we heard of it for the last time, by our own clock. Nothing that is older than this logout is newer than it, whatever a provider's clock says. */
function cameAtMs({ participant }: SessionParticipant): number {
  return Math.max(participant.addedAtMs, participant.lastIssuedAtMs)
}

/**
 * When what a partner has of this session began there. A provider can sign the user in here without a word from what was to end: it
 * counts when the person signed in there, not when we heard of it. Of a session that was opened by other means that is not known.
 */
function beganThereAtMs(one: SessionParticipant): number {
  const { session, participant } = one
  if (participant.role === 'application') return cameAtMs(one)
  return session.sourceId === participant.peerId ? session.authenticatedAtMs : 0
}
