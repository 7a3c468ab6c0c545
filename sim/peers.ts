import type { LogoutChannel, Peer } from '../packages/curfew/src/core/peer.ts'
import type { Clock } from '../packages/curfew/src/platform/clock.ts'
import type { SessionRegistry } from '../packages/sdk/src/session-registry.ts'
import { type Behaviour, createPartner, type Partner, type PartnerOptions } from './partner.ts'
import type { Trace } from './trace.ts'

/** The applications of one simulation by their ids: what is configured of them, and what they do. */
export interface Peers {
  readonly partners: ReadonlyMap<string, Partner>
  readonly peers: ReadonlyMap<string, Peer>
  /** Those that know people by their name alone: neither what they are given nor what they are told has an index. */
  readonly byName: ReadonlySet<string>
}

export interface PeersOptions extends Pick<PartnerOptions, 'endedAtMs' | 'isPastLimits' | 'fail'> {
  readonly clock: Clock
  readonly fraction: () => number
  readonly trace: Trace
  /** Replaces where applications keep their sessions by something faulty. */
  readonly spoil?: ((registry: SessionRegistry) => SessionRegistry) | undefined
}

const bad: readonly Behaviour[] = ['answers-late', 'loses-request', 'loses-answer', 'refuses', 'error', 'garbage', 'down', 'hangs']

/** Five applications of two protocols with whatever ways to be told; half of them do not always answer as they should. */
export function createPeers({ clock, fraction, trace, spoil, endedAtMs, isPastLimits = () => false, fail }: PeersOptions): Peers {
  const partners = new Map<string, Partner>()
  const peers = new Map<string, Peer>()
  const byName = new Set<string>()
  const any = <T>(list: readonly T[]): T => list[Math.floor(fraction() * list.length)] as T
  for (const id of ['payroll', 'intranet', 'legacy', 'wiki', 'chat']) {
    const protocol = id === 'wiki' || id === 'chat' ? 'oidc' : 'saml'
    const isGood = fraction() < 0.5
    const behaviours: readonly Behaviour[] = isGood ? ['answers'] : ['answers', any(bad), any(bad)]
    partners.set(id, createPartner({ id, protocol, clock, fraction, trace, behaviours, endedAtMs, isPastLimits, fail, spoil }))
    // As an identity provider that gives no SessionIndex, or no `sid`.
    const isByName = (id === 'legacy' || id === 'chat') && fraction() < 0.4
    if (isByName) byName.add(id)
    const channels = any(protocol === 'saml' ? samlChannels(id) : isByName ? nameChannels(id) : openIdChannels(id))
    peers.set(id, {
      id,
      name: id,
      protocol,
      role: 'application',
      entityId: `https://${id}.example`,
      channels,
      mayBeAsked: fraction() > 0.05,
      returnsBrowser: fraction() > 0.2
    })
    trace.add(
      clock.nowMs(),
      `${id}${isByName ? ', which knows names alone' : ''}: ${channels.map((channel) => channel.kind).join(' ') || 'no channel'}, ${behaviours.join(' or ')}`
    )
  }
  return { partners, peers, byName }
}

function samlChannels(id: string): readonly (readonly LogoutChannel[])[] {
  const server: LogoutChannel = { kind: 'server', binding: 'soap', url: `https://${id}.example/soap` }
  const frame: LogoutChannel = { kind: 'frame', binding: 'redirect', url: `https://${id}.example/slo` }
  const hop: LogoutChannel = { kind: 'hop', binding: 'redirect', url: `https://${id}.example/slo` }
  return [[server], [hop], [frame, hop], [server, hop], [server, frame, hop], []]
}

/** A frame finds nobody by a name. */
function nameChannels(id: string): readonly (readonly LogoutChannel[])[] {
  return openIdChannels(id).filter((channels) => channels.every(({ kind }) => kind === 'server'))
}

function openIdChannels(id: string): readonly (readonly LogoutChannel[])[] {
  const back: LogoutChannel = { kind: 'server', binding: 'back-channel', url: `https://${id}.example/back` }
  const front: LogoutChannel = { kind: 'frame', binding: 'front-channel', url: `https://${id}.example/front` }
  const image: LogoutChannel = { kind: 'frame', binding: 'image', url: `https://${id}.example/front` }
  return [[back], [front], [image], [back, front], [back, front, image], []]
}
