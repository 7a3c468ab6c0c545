import type { LogoutChannel, Peer } from '../../packages/curfew/src/core/peer.ts'
import type { Clock } from '../../packages/curfew/src/platform/clock.ts'
import { type Behaviour, createPartner, type Partner, type PartnerOptions } from '../partner.ts'
import type { Trace } from '../trace.ts'

/** The applications of one simulation: what is configured of them, and what they do. */
export interface Partners {
  readonly all: ReadonlyMap<string, Partner>
  readonly peers: ReadonlyMap<string, Peer>
}

export interface PartnersOptions extends Pick<PartnerOptions, 'endedAtMs' | 'fail'> {
  readonly clock: Clock
  readonly fraction: () => number
  readonly trace: Trace
  /** What those do that do not always answer. */
  readonly bad: readonly Behaviour[]
}

const names = ['payroll', 'intranet', 'wiki'] as const

/** All are asked from server to server: what the browser adds has a simulation of its own. */
export function createPartners({ clock, fraction, trace, bad, endedAtMs, fail }: PartnersOptions): Partners {
  const all = new Map<string, Partner>()
  const peers = new Map<string, Peer>()
  for (const id of names) {
    const protocol = id === 'wiki' ? 'oidc' : 'saml'
    const worst = bad[Math.floor(fraction() * bad.length)] ?? 'answers'
    const behaviours: readonly Behaviour[] = fraction() < 0.5 ? ['answers'] : ['answers', worst]
    const channel: LogoutChannel = { kind: 'server', binding: protocol === 'oidc' ? 'back-channel' : 'soap', url: `https://${id}.example/logout` }
    all.set(id, createPartner({ id, protocol, clock, fraction, trace, behaviours, endedAtMs, fail }))
    peers.set(id, {
      id,
      name: id,
      protocol,
      role: 'application',
      entityId: `https://${id}.example`,
      channels: [channel],
      mayBeAsked: true,
      returnsBrowser: true
    })
  }
  return { all, peers }
}
