import assert from 'node:assert/strict'
import type { JWTPayload } from 'jose'
import type { LightMyRequestResponse } from 'fastify'
import type { Browser } from '../browser.ts'
import { createKit, type Kit, type KitOptions } from '../kit.ts'
import { follow } from '../saml-sp/hub.ts'
import { createOpenIdProvider, type Grant, type OpenIdProvider } from './open-id-provider.ts'

/** An authority behind two OpenID providers, `social` and `partner`. */
export interface OidcHub {
  readonly kit: Kit
  readonly upstream: OpenIdProvider
  readonly other: OpenIdProvider
}

export async function createOidcHub(
  options: KitOptions = {},
  settings: Parameters<typeof createOpenIdProvider>[1] = {},
  change: (upstream: OpenIdProvider) => void = () => undefined
): Promise<OidcHub> {
  const upstream = createOpenIdProvider('social', settings)
  const other = createOpenIdProvider('partner')
  change(upstream)
  const kit = await createKit({
    partners: {},
    startMs: Temporal.Now.instant().epochMilliseconds,
    upstreams: [upstream.settings, other.settings],
    ...options,
    network: async (request) =>
      (await upstream.answer(request)) ?? (await other.answer(request)) ?? (await options.network?.(request)) ?? assert.fail(`nobody at ${request.url}`),
    signOn: { hasForm: false, ...options.signOn }
  })
  return { kit, upstream, other }
}

/** Starts a sign-in here; the address of the provider that the browser is sent to. */
export async function begin({ upstream }: OidcHub, browser: Browser, query = '', provider = upstream): Promise<string> {
  const answer = await follow(browser, await browser.get(`/sp/startSSO.ping?PartnerIdpId=${encodeURIComponent(provider.issuer)}${query}`))
  assert.equal(answer.statusCode, 303, answer.body.slice(0, 1500))
  return String(answer.headers.location)
}

/** A whole sign-in; where it ends. */
export async function signInAt(hub: OidcHub, browser: Browser, claims: JWTPayload = {}, more: Grant = {}, query = ''): Promise<LightMyRequestResponse> {
  const back = await hub.upstream.grant(await begin(hub, browser, query), claims, more)
  return follow(browser, await browser.get(back))
}

export function postLogoutToken({ kit }: OidcHub, token: string, provider = 'social'): Promise<LightMyRequestResponse> {
  return kit.app.inject({
    method: 'POST',
    url: `/sp/${provider}/backchannel-logout.openid`,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    payload: new URLSearchParams({ logout_token: token }).toString()
  })
}

/** Opens an application by SAML in the session of this browser. */
export async function open({ kit }: OidcHub, browser: Browser, name: string): Promise<void> {
  const page = await follow(browser, await browser.get(await kit.partner(name).ssoRedirect()))
  kit.partner(name).readResponse(page.body)
}
