import assert from 'node:assert/strict'
import type { LightMyRequestResponse } from 'fastify'
import type { OutboundRequest, OutboundResponse } from '../../src/platform/outbound.ts'
import type { FakeClock } from '../authority/fake-clock.ts'
import { createKit, type Kit, type KitOptions } from '../authority/kit.ts'
import { authorityUrl } from '../authority/partner.ts'
import type { KeptSession } from './journal.ts'
import type { OpenIdClient } from './openid-client.ts'
import type { OpenIdUpstream } from './openid-upstream.ts'
import type { OpenTokenApplication } from './opentoken-application.ts'
import type { SamlApplication } from './saml-application.ts'
import type { SamlUpstream } from './saml-upstream.ts'
import type { Arriving, Visitor } from './visitor.ts'
import { page, type Site, type WebAnswer, type WebRequest } from './web.ts'

export const authorityHost = new URL(authorityUrl).host

/** Everybody around one authority. */
export interface Cast {
  readonly saml?: readonly SamlApplication[]
  readonly openId?: readonly OpenIdClient[]
  readonly openToken?: readonly OpenTokenApplication[]
  readonly samlUpstreams?: readonly SamlUpstream[]
  readonly openIdUpstreams?: readonly OpenIdUpstream[]
}

export type Application = SamlApplication | OpenIdClient | OpenTokenApplication

/** One authority with its partners, each a site of its own. */
export interface World extends AsyncDisposable {
  readonly kit: Kit
  /** A site by its host; undefined: nobody of that name. */
  site(host: string): Site | undefined
  /** Every request of a browser, by its host. */
  web(request: WebRequest, headers: Readonly<Record<string, string>>): Promise<Arriving>
  /** From now on those that are down do not answer. */
  begin(): void
}

/** A page of somebody who has nothing to do with it. */
const elsewhere: Site = { host: 'elsewhere.localhost', handle: async () => page('Elsewhere') }

/** @param kitOf - filled in here, so that sites may reach the authority they belong to */
export async function createWorld(cast: Cast, clock: FakeClock, kitOf: (kit: Kit) => void, options: KitOptions = {}): Promise<World> {
  const { saml = [], openId = [], openToken = [], samlUpstreams = [], openIdUpstreams = [] } = cast
  const sites = new Map<string, Site>([elsewhere, ...saml, ...openId, ...openToken, ...samlUpstreams, ...openIdUpstreams].map((site) => [site.host, site]))
  let hasBegun = false
  const listening = (url: URL): Site => {
    const site = sites.get(url.host)
    if (site === undefined || (site.isDown === true && hasBegun)) throw new Error(`nobody listens at ${url.host}`)
    return site
  }
  const network = async (request: OutboundRequest): Promise<Partial<OutboundResponse>> => {
    const url = new URL(request.url)
    const site = listening(url)
    const own = await openIdUpstreams.find((upstream) => upstream === site)?.serve(request)
    if (own !== undefined) return own
    const body = Buffer.from(request.body ?? '')
    const answer = await site.handle({ method: request.method, url, cookies: new Map(), body })
    return { status: answer.status, headers: answer.headers ?? {}, body: Buffer.from(answer.body ?? '') }
  }
  const kit = await createKit({
    partners: {},
    clock,
    connections: saml.map(({ settings, certificatePem }) => ({ settings, certificatePem })),
    identityProviders: samlUpstreams.map(({ settings, certificatePem }) => ({ settings, certificatePem })),
    upstreams: openIdUpstreams.map(({ settings }) => settings),
    clients: openId.map(({ settings }) => settings),
    adapters: { applications: openToken.map(({ settings }) => settings) },
    network,
    probe: async (url) => {
      try {
        listening(new URL(url))
        return { reachable: true, durationMs: 1 }
      } catch {
        return { reachable: false, code: 'CURFEW_OUTBOUND_UNREACHABLE' }
      }
    },
    ...options
  })
  kitOf(kit)
  return {
    kit,
    site: (host) => sites.get(host),
    begin: () => void (hasBegun = true),
    web: async (request, headers) =>
      request.url.host === authorityHost ? askAuthority(kit, request, headers) : arriving(await listening(request.url).handle(request)),
    [Symbol.asyncDispose]: () => kit[Symbol.asyncDispose]()
  }
}

function arriving({ body = '', ...answer }: WebAnswer): Arriving {
  return {
    ...answer,
    chunks: (async function* () {
      yield Buffer.from(body).toString()
    })()
  }
}

async function askAuthority({ app }: Kit, { method, url, cookies, body }: WebRequest, headers: Readonly<Record<string, string>>): Promise<Arriving> {
  const answer: LightMyRequestResponse = await app.inject({
    method,
    url: url.pathname + url.search,
    headers: {
      ...headers,
      ...(cookies.size === 0 ? {} : { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') }),
      ...(method === 'POST' ? { 'content-type': 'application/x-www-form-urlencoded' } : {})
    },
    ...(method === 'POST' ? { payload: body } : {}),
    payloadAsStream: true
  })
  const { location, 'set-cookie': set } = answer.headers
  return {
    status: answer.statusCode,
    headers: location === undefined ? {} : { location: String(location) },
    cookies: set === undefined ? [] : [set].flat(),
    chunks: (async function* () {
      for await (const chunk of answer.stream()) yield Buffer.from(chunk as Uint8Array).toString()
    })()
  }
}

/** Signs a user in by a provider, then in to every application; what each application keeps of it. */
export async function enter(
  visitor: Visitor,
  upstream: { readonly entry: string; signsIn(user: string): void },
  user: string,
  applications: readonly Application[]
) {
  upstream.signsIn(user)
  await visitor.visit(upstream.entry)
  const sessions = new Map<string, KeptSession>()
  for (const { host, id, journal } of applications) {
    const landed = await visitor.visit(`http://${host}/`)
    assert.match(landed.body, new RegExp(`In ${id}`), `${id}: ${landed.url} ${landed.body.slice(0, 1500)}`)
    sessions.set(id, journal.byCookie(visitor.cookiesFor(host)) ?? assert.fail(id))
  }
  return sessions
}
