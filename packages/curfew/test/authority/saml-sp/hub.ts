import assert from 'node:assert/strict'
import type { LightMyRequestResponse } from 'fastify'
import { status } from '@curfew/codecs'
import type { Session } from '../../../src/core/session.ts'
import type { Browser } from '../browser.ts'
import { createFakeClock } from '../fake-clock.ts'
import { type Answer, createUpstream, consumerUrl, type UpstreamProvider } from '../identity-provider.ts'
import { authorityPair, createKit, type Kit, type KitOptions } from '../kit.ts'

/** An authority behind an upstream identity provider. */
export interface Hub {
  readonly kit: Kit
  readonly upstream: UpstreamProvider
  readonly other: UpstreamProvider
}

/** Two identity providers, `campus` and `guests`; no form and no applications unless asked for. */
export async function createHub(
  options: KitOptions = {},
  settings: Parameters<typeof createUpstream>[3] = {},
  more: readonly UpstreamProvider[] = []
): Promise<Hub> {
  const clock = createFakeClock()
  const upstream = createUpstream('campus', clock, options.ownKeys ?? authorityPair, settings)
  const other = createUpstream('guests', clock, authorityPair)
  const kit = await createKit({
    partners: {},
    clock,
    identityProviders: [upstream, other, ...more].map(({ settings: own, pair }) => ({ settings: own, certificatePem: pair.certificatePem })),
    ...options,
    signOn: { hasForm: false, ...options.signOn }
  })
  return { kit, upstream, other }
}

/** Follows redirects inside the authority; the first answer that leaves it or is a page comes back. */
export async function follow(browser: Browser, start: LightMyRequestResponse): Promise<LightMyRequestResponse> {
  let answer = start
  for (let i = 0; i < 10 && answer.statusCode === 303; i++) {
    const location = String(answer.headers.location)
    if (/^https?:/.test(location) && !location.startsWith('http://curfew.test/')) break
    answer = await browser.get(location)
  }
  return answer
}

/** Starts at `/sp/startSSO.ping` and returns the AuthnRequest that the browser is sent away with. */
export async function begin(hub: Hub, browser: Browser, query = '', provider = hub.upstream) {
  const path = `/sp/startSSO.ping?PartnerIdpId=${encodeURIComponent(provider.entityId)}${query}`
  const answer = await follow(browser, await browser.get(path))
  assert.equal(answer.statusCode, 303, answer.body.slice(0, 1500))
  return provider.readAuthnRequest(String(answer.headers.location))
}

/** Brings an answer to the assertion consumer service, as a form of another site does: without cookies. */
export async function deliver(hub: Hub, browser: Browser, answer: Answer, provider = hub.upstream): Promise<LightMyRequestResponse> {
  const fields = await provider.respond(answer)
  const posted = await hub.kit.app.inject({
    method: 'POST',
    url: new URL(consumerUrl).pathname,
    headers: { accept: 'text/html', 'content-type': 'application/x-www-form-urlencoded' },
    payload: new URLSearchParams(fields).toString()
  })
  return posted.statusCode === 303 ? follow(browser, posted) : posted
}

/** A whole sign-in at an upstream provider. */
export async function signInAt(hub: Hub, browser: Browser, answer: Answer = {}, query = ''): Promise<LightMyRequestResponse> {
  const request = await begin(hub, browser, query)
  return deliver(hub, browser, { requestId: request.id, sessionIndex: 'index-1', ...answer })
}

export async function liveSessions(kit: Kit): Promise<readonly Session[]> {
  const { items } = await kit.store.listSessions({ state: 'live', limit: 100, nowMs: kit.clock.nowMs() })
  return items.map(({ session }) => session)
}

/** `ana` came from campus and opened these applications. */
export async function hubWithApps(
  options: KitOptions = {},
  names = ['payroll', 'intranet'],
  settings: Parameters<typeof createHub>[1] = {},
  more: Parameters<typeof createHub>[2] = []
): Promise<{ readonly hub: Hub; readonly browser: Browser }> {
  const hub = await createHub({ partners: Object.fromEntries(names.map((name) => [name, {}])), ...options }, settings, more)
  const browser = hub.kit.browser()
  await signInAt(hub, browser)
  for (const name of names) {
    const page = await follow(browser, await browser.get(await hub.kit.partner(name).ssoRedirect()))
    hub.kit.partner(name).readResponse(page.body)
    hub.kit.clock.advance(1_000)
  }
  return { hub, browser }
}

/** Carries the hops of a run through, each application and provider answering with success; returns who was asked, in order. */
export async function carry(hub: Hub, browser: Browser, runId: string, answer = status.success()): Promise<readonly string[]> {
  const asked: string[] = []
  for (let i = 0; i < 6; i++) {
    const sent = await browser.get(`/signoff/${runId}/go`)
    const url = new URL(String(sent.headers.location), 'http://curfew.test')
    if (url.host === 'curfew.test') break
    const name = url.host.replace('.test', '')
    asked.push(name)
    const side = name === 'campus' ? hub.upstream : hub.kit.partner(name)
    const reply = await side.logoutAnswer(side.readLogoutRequest(url.href), name === 'payroll' ? answer : status.success())
    await browser.get(reply)
  }
  return asked
}

export async function lastRun(hub: Hub) {
  const run = (await hub.kit.store.listRuns({ limit: 1 })).items[0]
  assert.ok(run !== undefined)
  return run
}
