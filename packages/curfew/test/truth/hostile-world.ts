import assert from 'node:assert/strict'
import { runPolicy } from '../../src/cli/engine-settings.ts'
import { logout } from '../../src/config/logout-schema.ts'
import { outbound as outboundSchema } from '../../src/config/server-schema.ts'
import { probeTimeoutMs } from '../../src/engine/probe-cache.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { createOutbound, type Outbound, type OutboundRequest, type OutboundResponse, type ProbeResult } from '../../src/platform/outbound.ts'
import type { FakeClock } from '../authority/fake-clock.ts'
import type { Kit } from '../authority/kit.ts'
import { freeRange } from '../support/ports.ts'
import { behaviours, type HostileBehaviour } from './behaviour.ts'
import type { Channel } from './channels.ts'
import { openSite, type SiteServer, webOf } from './network.ts'
import { createOpenIdClient, type OpenIdClient } from './openid-client.ts'
import { createOpenIdUpstream, type OpenIdUpstream } from './openid-upstream.ts'
import { createOpenTokenApplication, type OpenTokenApplication } from './opentoken-application.ts'
import { createSamlApplication, type SamlApplication } from './saml-application.ts'
import { createSamlUpstream, type SamlUpstream } from './saml-upstream.ts'
import type { Web } from './visitor.ts'
import { type Application, createWorld, type World } from './world.ts'

type Upstream = SamlUpstream | OpenIdUpstream

/** Whoever can be told of a logout. */
export type Participant = Application | Upstream

/** One authority, a hostile participant per behaviour on one channel, and well-behaved ones; each is a server at a port of its own. */
export interface HostileWorld extends AsyncDisposable {
  readonly world: World
  /** What a browser of these sites reaches. */
  readonly web: Web
  readonly authorityPort: number
  readonly hostile: ReadonlyMap<HostileBehaviour, Participant>
  application(id: string): Application
  saml(id: string): SamlApplication
  upstream(id: string): Upstream
  /** From now on nobody listens at the one that is down: people had to sign in there before. */
  goDown(): Promise<void>
}

/** Longer than any limit of the product: limits count by the clock of the world. */
const patientMs = 120_000

async function served(upstreams: readonly OpenIdUpstream[], request: OutboundRequest): Promise<Partial<OutboundResponse> | undefined> {
  for (const upstream of upstreams) {
    const answer = await upstream.serve(request)
    if (answer !== undefined) return answer
  }
  return undefined
}

function probedWithin(clock: FakeClock, outbound: Pick<Outbound, 'probe'>, url: string): Promise<ProbeResult> {
  const { promise, resolve } = Promise.withResolvers<ProbeResult>()
  const timer = clock.after(probeTimeoutMs, () => resolve({ reachable: false, code: 'CURFEW_OUTBOUND_TIMEOUT' }))
  outbound.probe({ peerId: url, url, timeoutMs: patientMs }).then(resolve, (error: unknown) => assert.fail(String(error)))
  return promise.finally(() => timer.cancel())
}

/** Limits of logouts and of outgoing requests are the product's defaults. */
export async function createHostileWorld(channel: Channel, clock: FakeClock): Promise<HostileWorld> {
  await using opened = new AsyncDisposableStack()
  const holder: { kit?: Kit } = {}
  let port = await freeRange(behaviours.length + 12)
  const authorityPort = port
  const own = { clock, kit: (): Kit => holder.kit ?? assert.fail('not yet') }
  const at = (id: string) => ({ ...own, id, port: (port += 1) })
  const possible = behaviours.filter((behaviour) => channel.impossible[behaviour] === undefined)
  const hostile = new Map<HostileBehaviour, Participant>()
  for (const behaviour of possible) hostile.set(behaviour, await channel.create({ ...at(behaviour.toLowerCase().replaceAll(' ', '-')), behaviour }))
  const applications: readonly Application[] = [
    ...[...hostile.values()].filter((one): one is Application => !('entry' in one)),
    await createSamlApplication({ ...at('other-soap'), slo: ['soap'] }),
    createOpenIdClient({ ...at('other-back'), way: 'back-channel' }),
    await createSamlApplication({ ...at('other-hop'), slo: ['redirect'] }),
    await createSamlApplication({ ...at('saml-redirect'), slo: ['redirect'] }),
    await createSamlApplication({ ...at('saml-soap'), slo: ['soap'] }),
    createOpenTokenApplication({ ...at('opentoken'), confirmation: 'return' })
  ]
  const hostileUpstreams = [...hostile.values()].filter((one): one is Upstream => 'entry' in one)
  const samlUpstreams = [
    ...hostileUpstreams.filter((one): one is SamlUpstream => 'voice' in one),
    createSamlUpstream({ ...at('campus'), slo: ['redirect'] }),
    createSamlUpstream({ ...at('campus-soap'), slo: ['soap'] })
  ]
  const openIdUpstreams = [
    ...hostileUpstreams.filter((one): one is OpenIdUpstream => 'serve' in one),
    createOpenIdUpstream({ ...at('social'), confirms: true })
  ]
  const sites = [...applications, ...samlUpstreams, ...openIdUpstreams]
  const servers = new Map<string, SiteServer>()
  for (const site of sites) servers.set(site.id, opened.use(await openSite(site)))
  const hosts = Object.fromEntries(sites.map(({ host }) => [host.split(':')[0] ?? host, '127.0.0.1']))
  const outbound = opened.adopt(createOutbound({ clock: systemClock, ...outboundSchema.parse(undefined), allowPrivate: ['127.0.0.0/8'], hosts }), (it) =>
    it.close()
  )
  const world = opened.use(
    await createWorld(
      {
        saml: applications.filter((one): one is SamlApplication => 'voice' in one),
        openId: applications.filter((one): one is OpenIdClient => 'redirectUris' in one.settings),
        openToken: applications.filter((one): one is OpenTokenApplication => 'targetUrl' in one.settings && 'password' in one.settings),
        samlUpstreams,
        openIdUpstreams
      },
      clock,
      (kit) => void (holder.kit = kit),
      {
        signOn: { hasForm: false },
        policy: runPolicy(logout.parse(undefined)),
        // The provider's own server is that of its sign-ins. The engine breaks an exchange off by its own clock.
        network: async (request) => (await served(openIdUpstreams, request)) ?? outbound.request({ ...request, timeoutMs: patientMs }),
        probe: (url) => probedWithin(clock, outbound, url)
      }
    )
  )
  await world.kit.app.listen({ port: authorityPort, host: '127.0.0.1' })
  const application = (id: string): Application => applications.find((one) => one.id === id) ?? assert.fail(id)
  const parts = opened.move()
  return {
    world,
    web: webOf(authorityPort),
    authorityPort,
    hostile,
    application,
    saml(id) {
      const found = application(id)
      return 'voice' in found ? found : assert.fail(id)
    },
    upstream: (id) => [...samlUpstreams, ...openIdUpstreams].find((one) => one.id === id) ?? assert.fail(id),
    goDown: async () => servers.get(hostile.get('down')?.id ?? '')?.goDown(),
    [Symbol.asyncDispose]: () => parts.disposeAsync()
  }
}
