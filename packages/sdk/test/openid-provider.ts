import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto'
import { backChannelLogoutEvent } from '@curfew/codecs'
import { CompactSign, SignJWT } from 'jose'
import {
  createMemorySessionRegistry,
  createRelyingParty,
  type Fetch,
  type GuardRequest,
  type GuardResponse,
  type RelyingPartyEvent,
  type RelyingPartyOptions
} from '../src/index.ts'

export const issuer = 'https://op.example'
export const baseUrl = 'https://wiki.example'
export const secret = 'a secret that is long enough'

interface Key {
  readonly kid: string
  readonly privateKey: KeyObject
  readonly jwk: object
}

function newKey(kid: string, namedCurve = 'P-256'): Key {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve })
  return { kid, privateKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid } }
}

/** An OpenID provider as the other side of the wire, and a relying party that talks to it. */
export function setting(options: Partial<RelyingPartyOptions> = {}, configuration: Readonly<Record<string, string>> = {}) {
  const clock = { nowMs: Date.parse('2026-03-01T09:00:00Z') }
  const keys: Key[] = [newKey('k1')]
  const issued = new Map<string, { readonly nonce: string; readonly sid: string; readonly sub: string; readonly sri?: string }>()
  const events: RelyingPartyEvent[] = []
  const asked: string[] = []
  let codes = 0
  const sign = (claims: object, header: object = {}, key = keys.at(-1) ?? keys[0]): Promise<string> =>
    new SignJWT({ iss: issuer, aud: 'wiki', iat: seconds(), ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: key?.kid ?? '', ...header })
      .sign(key?.privateKey as KeyObject)
  const seconds = (): number => Math.floor(clock.nowMs / 1000)
  const fetch: Fetch = async (url, init) => {
    asked.push(url)
    const json = (body: unknown, status = 200) => ({ status, json: async () => body })
    if (url.endsWith('/.well-known/openid-configuration')) {
      return json({
        issuer,
        authorization_endpoint: `${issuer}/auth`,
        token_endpoint: `${issuer}/token`,
        jwks_uri: `${issuer}/keys`,
        end_session_endpoint: `${issuer}/end`,
        ...configuration
      })
    }
    if (url.endsWith('/keys')) return json({ keys: keys.map(({ jwk }) => jwk) })
    const code = new URLSearchParams(init?.body).get('code') ?? ''
    const user = issued.get(code)
    issued.delete(code)
    if (user === undefined) return json({ error: 'invalid_grant' }, 400)
    const sri = user.sri === undefined ? {} : { 'pi.sri': user.sri }
    const idToken = await sign({ exp: seconds() + 600, sub: user.sub, sid: user.sid, nonce: user.nonce, email: 'ana@example.org', ...sri }, { typ: 'JWT' })
    return json({ access_token: 'a', token_type: 'Bearer', id_token: idToken })
  }
  const party = createRelyingParty({
    issuer,
    clientId: 'wiki',
    clientSecret: secret,
    baseUrl,
    sessions: createMemorySessionRegistry(),
    fetch,
    nowMs: () => clock.nowMs,
    randomBytes,
    onEvent: (event) => void events.push(event),
    ...options
  })
  return {
    party,
    fetch,
    clock,
    keys,
    /** Signs a text that need not be a set of claims. */
    signText: (text: string, header: object): Promise<string> =>
      new CompactSign(Buffer.from(text)).setProtectedHeader({ alg: 'ES256', kid: keys[0]?.kid ?? '', ...header }).sign(keys[0]?.privateKey as KeyObject),
    events,
    asked,
    sign,
    newKey: (kid: string) => void keys.push(newKey(kid)),
    /** One more key that is published, but signs only what names it. */
    addKey(kid: string, namedCurve: 'P-384'): Key {
      const key = newKey(kid, namedCurve)
      keys.unshift(key)
      return key
    },
    logoutToken: (claims: object = {}, header: object = {}, key?: Key) =>
      sign(
        { exp: seconds() + 120, jti: `j${(codes += 1)}`, sub: 'ana', sid: 's1', events: { [backChannelLogoutEvent]: {} }, ...claims },
        { typ: 'logout+jwt', ...header },
        key
      ),
    /** What the provider answers to an authorization address. */
    authorize(location: string, user: User = {}): string {
      const query = new URL(location).searchParams
      const code = `code${(codes += 1)}`
      issued.set(code, { nonce: query.get('nonce') ?? '', sub: user.sub ?? 'ana', sid: user.sid ?? 's1', ...(user.sri === undefined ? {} : { sri: user.sri }) })
      const more = user.sessionState === undefined ? {} : { session_state: user.sessionState }
      return `/oidc/cb?${new URLSearchParams({ code, state: query.get('state') ?? '', iss: issuer, ...more }).toString()}`
    }
  }
}

interface User {
  readonly sub?: string
  readonly sid?: string
  readonly sri?: string
  readonly sessionState?: string
}

export type Setting = ReturnType<typeof setting>

/** One browser of the application. */
export function browserOf({ party }: Setting) {
  const cookies = new Map<string, string>()
  const send = async (method: string, target: string, body = '', more: Partial<GuardRequest> = {}): Promise<GuardResponse> => {
    const answer = await party.handle({
      method,
      target,
      cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; '),
      origin: baseUrl,
      fetchSite: 'same-origin',
      readBody: async () => Buffer.from(body),
      ...more
    })
    if (answer === undefined) throw new Error(`${target} is not the guard's`)
    for (const cookie of [answer.headers['set-cookie'] ?? []].flat()) {
      const [pair = ''] = cookie.split(';')
      const at = pair.indexOf('=')
      if (cookie.includes('Max-Age=0')) cookies.delete(pair.slice(0, at))
      else cookies.set(pair.slice(0, at), pair.slice(at + 1))
    }
    return answer
  }
  return {
    cookies,
    get: (target: string, more?: Partial<GuardRequest>) => send('GET', target, '', more),
    post: (target: string, body = '', more?: Partial<GuardRequest>) => send('POST', target, body, more),
    session: () => party.session([...cookies].map(([name, value]) => `${name}=${value}`).join('; '))
  }
}

/** A whole sign-in. */
export async function signIn(world: Setting, browser: ReturnType<typeof browserOf>, user?: User): Promise<GuardResponse> {
  const started = await browser.get('/oidc/login?to=/pages')
  return browser.get(world.authorize(String(started.headers['location']), user))
}
