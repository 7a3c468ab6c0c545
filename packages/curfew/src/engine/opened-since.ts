import type { DeliveryId } from '../core/ids.ts'
import type { Participant } from '../core/participant.ts'
import type { Delivery, LogoutRun } from '../core/run.ts'
import { channelOf } from '../core/step.ts'
import type { Store } from '../stores/store.ts'

/**
 * True when a message of this run would end a newer sign-in, because it can not tell the two apart.
 *
 * An application that was opened again after a logout that left the session alone began has one name for the session,
 * before and after. A picture ends the session at its own host alone: what was opened at another one does not count for it.
 *
 * Where the session ended nothing can be issued in it any more. But an identity provider that gave no SessionIndex is told
 * the user alone, and ends whatever this user has there: also what another session of ours came from since.
 */
export async function isOpenedSince(
  store: Pick<Store, 'getParticipants' | 'findByNameId'>,
  run: LogoutRun | undefined,
  deliveryId: DeliveryId
): Promise<boolean> {
  const delivery = run?.deliveries.find(({ id }) => id === deliveryId)
  if (run === undefined || delivery === undefined || delivery.grant !== undefined) return false
  if (namesUserAlone(delivery) && (await isSignedInSince(store, run, delivery))) return true
  if (run.isPartial !== true) return false
  const { peerId, sessionIndex, participantId, channels } = delivery
  const isOfHost = channels.length > 0 && channels.every(({ binding }) => binding === 'image')
  const participants = await store.getParticipants(run.sessionId)
  const isMeant = (one: Participant): boolean => (isOfHost ? one.id === participantId : one.peerId === peerId && one.sessionIndex === sessionIndex)
  return participants.some((one) => isMeant(one) && one.lastIssuedAtMs > run.startedAtMs)
}

/** A browser that is sent to an OpenID provider, or comes with a frame or picture, brings the session that is meant with it. */
function namesUserAlone(delivery: Delivery): boolean {
  const binding = channelOf(delivery)?.binding
  return delivery.sessionIndex === '' && binding !== 'end-session' && binding !== 'front-channel' && binding !== 'image'
}

/**
 * By the same partner, in another session that goes on: for the first time, or once more. An OpenToken is told through the
 * browser, which brings its own session.
 */
async function isSignedInSince(store: Pick<Store, 'findByNameId'>, run: LogoutRun, { peerId, nameId }: Delivery): Promise<boolean> {
  const named = await store.findByNameId(peerId, nameId.value)
  const isSince = ({ addedAtMs, lastIssuedAtMs }: Participant): boolean => Math.max(addedAtMs, lastIssuedAtMs) > run.startedAtMs
  return named.some(
    ({ session, participant }) => session.id !== run.sessionId && session.end === undefined && participant.protocol !== 'opentoken' && isSince(participant)
  )
}
