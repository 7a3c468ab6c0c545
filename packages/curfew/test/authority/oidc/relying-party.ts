import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { LightMyRequestResponse } from 'fastify'
import { decodeJwt } from 'jose'
import type { ClientSettings } from '../../../src/authority/oidc/settings.ts'
import type { Browser } from '../browser.ts'
import { createKit, type Kit, type KitOptions, signIn } from '../kit.ts'

export const secret = 'a secret that is long enough'

/** A client as most are: code flow, a secret, told by back channel. */
export function clientOf(id: string, more: Partial<ClientSettings> = {}): ClientSettings {
  return {
    id,
    name: id[0]?.toUpperCase() + id.slice(1),
    clientSecret: secret,
    redirectUris: [`http://${id}.test/cb`],
    postLogoutRedirectUris: [`http://${id}.test/bye`],
    refreshTokens: true,
    logout: { modes: ['backChannel'], backChannelUri: `http://${id}.test/backchannel` },
    ...more
  }
}

export function createOidcKit(options: KitOptions = {}): Promise<Kit> {
  // The engine counts in real time: the clock of this kit starts there.
  return createKit({ partners: {}, clients: [clientOf('wiki'), clientOf('chat')], startMs: realNowMs(), ...options })
}

function realNowMs(): number {
  return Temporal.Now.instant().epochMilliseconds
}

export const verifier = 'v'.repeat(64)
const challenge = createHash('sha256').update(verifier).digest('base64url')

/** The address that starts an authorization. */
export function authorizationUrl(id: string, more: Readonly<Record<string, string>> = {}): string {
  const query = new URLSearchParams({
    client_id: id,
    response_type: 'code',
    redirect_uri: `http://${id}.test/cb`,
    scope: 'openid profile email',
    state: `state-of-${id}`,
    nonce: 'nonce-1',
    code_challenge: challenge,
    code_challenge_method: 'S256',
    ...more
  })
  return `/as/authorization.oauth2?${query.toString()}`
}

/** Follows redirects inside the authority; the first answer that leaves it or is a page comes back. */
export async function follow(browser: Browser, start: LightMyRequestResponse): Promise<LightMyRequestResponse> {
  let answer = start
  for (let i = 0; i < 12 && (answer.statusCode === 303 || answer.statusCode === 302); i++) {
    const location = String(answer.headers.location)
    if (/^https?:/.test(location) && !location.startsWith('http://curfew.test/')) break
    answer = await browser.get(location)
  }
  return answer
}

/** The parameters that a client gets back; the authorization must have come to an end. */
export function returned(answer: LightMyRequestResponse): URLSearchParams {
  assert.match(String(answer.headers.location), /^https?:\/\/\w+\.test\/cb\?/, `${answer.statusCode} ${answer.body.slice(0, 800)}`)
  return new URL(String(answer.headers.location)).searchParams
}

export interface Tokens {
  readonly access_token: string
  readonly id_token: string
  readonly refresh_token?: string
  readonly claims: Readonly<Record<string, unknown>>
}

export function authorizationHeader(id: string, password = secret): string {
  return `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(password)}`).toString('base64')}`
}

export function post(kit: Kit, path: string, id: string, fields: Readonly<Record<string, string>>): Promise<LightMyRequestResponse> {
  return kit.app.inject({
    method: 'POST',
    url: path,
    headers: { 'content-type': 'application/x-www-form-urlencoded', authorization: authorizationHeader(id) },
    payload: new URLSearchParams(fields).toString()
  })
}

export function exchange(kit: Kit, id: string, code: string, redirectUri = `http://${id}.test/cb`): Promise<LightMyRequestResponse> {
  return post(kit, '/as/token.oauth2', id, { grant_type: 'authorization_code', code, redirect_uri: redirectUri, code_verifier: verifier })
}

export function refresh(kit: Kit, id: string, token: string): Promise<LightMyRequestResponse> {
  return post(kit, '/as/token.oauth2', id, { grant_type: 'refresh_token', refresh_token: token })
}

/** The code that this browser's user gets for a client; signs in at the form where that is needed. */
export async function codeFor(kit: Kit, browser: Browser, id: string, more: Readonly<Record<string, string>> = {}): Promise<string> {
  const started = await follow(browser, await browser.get(authorizationUrl(id, more)))
  const done = started.statusCode === 200 && started.body.includes('type="password"') ? await follow(browser, await signInOn(browser, started)) : started
  const parameters = returned(done)
  assert.equal(parameters.get('state'), `state-of-${id}`)
  assert.equal(parameters.get('iss'), 'http://curfew.test')
  return parameters.get('code') ?? assert.fail(parameters.toString())
}

/** Fills in the form that a page shows. */
export async function signInOn(browser: Browser, page: LightMyRequestResponse, username = 'ana', password = 'correct horse'): Promise<LightMyRequestResponse> {
  const action = /<form method="post" action="([^"]+)"/.exec(page.body)?.[1] ?? assert.fail('no form')
  const csrfToken = /name="csrfToken" value="([^"]+)"/.exec(page.body)?.[1] ?? ''
  return browser.post(action, { csrfToken, username, password })
}

/** A whole sign-in of one client. */
export async function tokensFor(kit: Kit, browser: Browser, id: string, more: Readonly<Record<string, string>> = {}): Promise<Tokens> {
  const answer = await exchange(kit, id, await codeFor(kit, browser, id, more))
  assert.equal(answer.statusCode, 200, answer.body)
  const tokens = answer.json<Tokens>()
  return { ...tokens, claims: decodeJwt(tokens.id_token) }
}

export { signIn }
