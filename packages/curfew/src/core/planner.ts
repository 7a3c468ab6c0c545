import type { DeliveryId, PeerId } from './ids.ts'
import { deliveriesPerRunMax } from './limits.ts'
import type { Outcome } from './outcome.ts'
import type { Participant } from './participant.ts'
import { grantChannel, type LogoutChannel, type Peer } from './peer.ts'
import type { Delivery, Effect, Starter } from './run.ts'
import { isSurvivor } from './verdict.ts'

export interface PlanInput {
  readonly participants: readonly Participant[]
  readonly peer: (id: PeerId) => Peer | undefined
  readonly starter: Starter
  /** Only these peers are told; absent: all. */
  readonly onlyPeers?: readonly PeerId[]
  /** Nobody is told. */
  readonly isLocal?: true
  /** Offline grants are ended, whatever their peers say. */
  readonly endOfflineGrants?: true
  /** Peers that have this binding are asked by it first, whatever it can prove. */
  readonly preferredBinding?: LogoutChannel['binding']
  readonly newDeliveryId: () => DeliveryId
  readonly atMs: number
  /** From when on a browser that was not seen again counts as gone. */
  readonly browserGoneAtMs: number
}

export interface Plan {
  readonly deliveries: readonly Delivery[]
  readonly effects: readonly Effect[]
}

/**
 * Decides what a run owes to every participant but the one that started it: server-to-server first, hidden frames,
 * then hops, those that may not return last. A participant that can't be asked gets its outcome at once.
 */
export function planDeliveries(input: PlanInput): Plan {
  const told = input.participants.filter((p) => input.starter.kind !== 'participant' || p.id !== input.starter.participantId)
  if (told.length > deliveriesPerRunMax) throw new RangeError(`more than ${deliveriesPerRunMax} participants in one session`)
  const deliveries = [...told]
    .sort(byRole)
    .map((participant) => planDelivery(participant, input))
    .sort(byCertainty)
  const effects = deliveries
    .filter((delivery) => delivery.state === 'pending')
    .map((delivery): Effect => ({ kind: 'send', deliveryId: delivery.id, attempt: 1, dueAtMs: input.atMs }))
  const isWatched = deliveries.some(({ nextAttemptAtMs }) => nextAttemptAtMs !== undefined)
  return { deliveries, effects: isWatched ? [...effects, { kind: 'wake', dueAtMs: input.browserGoneAtMs }] : effects }
}

function planDelivery(participant: Participant, input: PlanInput): Delivery {
  const peer = input.peer(participant.peerId)
  const outcome = outcomeWithoutAsking(participant, peer, input)
  // A grant that survives can still be ended later: its way stays.
  const isAskable = outcome === undefined || isSurvivor({ outcome })
  const channels = isAskable ? preferring(inOrder(channelsOf(participant, peer)), input.preferredBinding) : []
  const base = {
    id: input.newDeliveryId(),
    participantId: participant.id,
    peerId: participant.peerId,
    peerName: peer?.name ?? participant.peerId,
    nameId: participant.nameId,
    sessionIndex: participant.sessionIndex,
    assertionNotOnOrAfterMs: participant.assertionNotOnOrAfterMs,
    channels,
    channelIndex: 0,
    returnsBrowser: peer?.returnsBrowser ?? false,
    ...(participant.grant === undefined ? {} : { grant: participant.grant }),
    attempts: []
  }
  if (outcome !== undefined) return { ...base, state: 'final', outcome, finalAtMs: input.atMs }
  if (channels[0]?.kind === 'server') return { ...base, state: 'pending' }
  // Where the browser was wanted first, and does not come, a server can still be asked.
  return { ...base, state: 'waiting-for-browser', ...(hasServerAhead(base) ? { nextAttemptAtMs: input.browserGoneAtMs } : {}) }
}

/** Ways to ask this participant: those of its peer, and the picture at the host where it was used. */
function channelsOf({ consumerUrl, grant }: Participant, peer: Peer | undefined): readonly LogoutChannel[] {
  if (grant === 'offline') return [grantChannel]
  const channels = peer?.channels ?? []
  const origin = consumerUrl === undefined ? undefined : URL.parse(consumerUrl)?.origin
  if (peer?.picturePath === undefined || origin === undefined) return channels
  return [...channels, { kind: 'frame', binding: 'image', url: origin + peer.picturePath }]
}

function outcomeWithoutAsking(participant: Participant, peer: Peer | undefined, input: PlanInput): Outcome | undefined {
  const { onlyPeers, isLocal } = input
  if (isLocal === true) return { kind: 'not-asked', code: 'CURFEW_RUN_LOCAL_ENDING' }
  if (onlyPeers !== undefined && !onlyPeers.includes(participant.peerId)) return { kind: 'not-asked', code: 'CURFEW_RUN_NOT_CHOSEN' }
  if (peer === undefined) return { kind: 'unsupported', code: 'CURFEW_RUN_PEER_UNKNOWN' }
  if (participant.grant === 'offline') {
    const isEnded = input.endOfflineGrants === true || peer.endsOfflineGrants === true
    return isEnded ? undefined : { kind: 'not-asked', code: 'CURFEW_RUN_OFFLINE_GRANT' }
  }
  if (!peer.mayBeAsked) return { kind: 'not-asked', code: 'CURFEW_RUN_PROFILE_OFF' }
  if (channelsOf(participant, peer).length === 0) return { kind: 'unsupported', code: 'CURFEW_RUN_NO_CHANNEL' }
  return undefined
}

/** A server can be asked after the channel that a delivery is on now. */
export function hasServerAhead({ channels, channelIndex }: Pick<Delivery, 'channels' | 'channelIndex'>): boolean {
  return channels.slice(channelIndex + 1).some(({ kind }) => kind === 'server')
}

const channelRank: Readonly<Record<LogoutChannel['kind'], number>> = { server: 0, frame: 1, hop: 2 }

/** Server to server first, then hidden frames, then hops. */
export function inOrder(channels: readonly LogoutChannel[]): readonly LogoutChannel[] {
  return [...channels].sort((a, b) => channelRank[a.kind] - channelRank[b.kind])
}

function preferring(channels: readonly LogoutChannel[], binding: LogoutChannel['binding'] | undefined): readonly LogoutChannel[] {
  if (binding === undefined) return channels
  return [...channels].sort((a, b) => Number(b.binding === binding) - Number(a.binding === binding))
}

/**
 * The identity provider that signed the user in is asked before the applications (Core 3.7.3.2). The login application
 * of an OpenToken adapter is no authority of its own: it comes last, as in the replaced product.
 */
function byRole(a: Participant, b: Participant): number {
  return roleRank(a) - roleRank(b)
}

function roleRank({ role, protocol }: Participant): number {
  if (role === 'application') return 1
  return protocol === 'opentoken' ? 2 : 0
}

/** Applications that may keep the browser come last; otherwise the order of the sign-ins stays. */
function byCertainty(a: Delivery, b: Delivery): number {
  return Number(b.returnsBrowser) - Number(a.returnsBrowser)
}
