import type { DeliveryId } from '../core/ids.ts'
import type { Participant } from '../core/participant.ts'
import type { LogoutRun } from '../core/run.ts'
import type { Store } from '../stores/store.ts'

/**
 * True when an application was opened again after a logout that left the session alone began: it has one name for the
 * session, before and after, so that a message of this run would end the newer sign-in. Where the session ended nothing
 * can be issued in it any more. A picture ends the session at its own host alone: what was opened at another one does not
 * count for it.
 */
export async function isOpenedSince(store: Pick<Store, 'getParticipants'>, run: LogoutRun | undefined, deliveryId: DeliveryId): Promise<boolean> {
  const delivery = run?.deliveries.find(({ id }) => id === deliveryId)
  if (run?.isPartial !== true || delivery === undefined || delivery.grant !== undefined) return false
  const { peerId, sessionIndex, participantId, channels } = delivery
  const isOfHost = channels.length > 0 && channels.every(({ binding }) => binding === 'image')
  const participants = await store.getParticipants(run.sessionId)
  const isMeant = (one: Participant): boolean => (isOfHost ? one.id === participantId : one.peerId === peerId && one.sessionIndex === sessionIndex)
  return participants.some((one) => isMeant(one) && one.lastIssuedAtMs > run.startedAtMs)
}
