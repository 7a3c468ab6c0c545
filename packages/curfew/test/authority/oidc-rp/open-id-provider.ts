import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto'
import { exportJWK, type JWTHeaderParameters, type JWTPayload, SignJWT } from 'jose'
import type { OpenIdUpstreamSettings } from '../../../src/authority/oidc-rp/settings.ts'
import type { OutboundRequest, OutboundResponse } from '../../../src/platform/outbound.ts'

/** An OpenID provider as the other side of the wire: issues what it is told to, right or wrong, with keys of its own. */
export interface OpenIdProvider {
  readonly issuer: string
  readonly settings: OpenIdUpstreamSettings
  /** What its server answers; undefined: the address is not one of its own. */
  answer(request: OutboundRequest): Promise<Partial<OutboundResponse> | undefined>
  /** Signs the user in as the address asks, and gives the address that the browser is sent back to. */
  grant(authorization: string, claims?: JWTPayload, more?: Grant): Promise<string>
  logoutToken(claims: JWTPayload, more?: Signing): Promise<string>
  /** From now on it signs with another key. */
  rotate(): void
  /** Requests that reached its server, by path. */
  readonly asked: string[]
  metadata: Readonly<Record<string, unknown>>
  isDown: boolean
}

export interface Signing {
  readonly key?: KeyObject
  readonly header?: Partial<JWTHeaderParameters>
}

export interface Grant extends Signing {
  /** Parameters of the answer, over those that belong there; undefined leaves one out. */
  readonly answer?: Readonly<Record<string, string | undefined>>
  /** Claims of the UserInfo endpoint. */
  readonly userinfo?: Readonly<Record<string, unknown>>
}

export const logoutEvent = { 'http://schemas.openid.net/event/backchannel-logout': {} }

/** @param nowMs - the time of its logout tokens, where a test keeps its own; sign-ins happen in real time */
export function createOpenIdProvider(
  id: string,
  settings: Partial<OpenIdUpstreamSettings> = {},
  nowMs = (): number => Temporal.Now.instant().epochMilliseconds
): OpenIdProvider {
  const issuer = settings.issuer ?? `https://${id}.test`
  const clientId = settings.clientId ?? 'curfew'
  const codes = new Map<string, { readonly challenge: string; readonly idToken: string; readonly userinfo: Readonly<Record<string, unknown>> }>()
  const tokens = new Map<string, Readonly<Record<string, unknown>>>()
  let pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  let kid = `${id}-1`
  const seconds = (): number => Math.floor(Temporal.Now.instant().epochMilliseconds / 1000)
  const sign = (claims: JWTPayload, { key = pair.privateKey, header = {} }: Signing): Promise<string> =>
    new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid, ...header }).sign(key)
  const provider: OpenIdProvider = {
    issuer,
    asked: [],
    isDown: false,
    settings: { id, name: id[0]?.toUpperCase() + id.slice(1), clientSecret: 'a secret of the client', ...settings, issuer, clientId },
    metadata: {
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      userinfo_endpoint: `${issuer}/userinfo`,
      jwks_uri: `${issuer}/keys`,
      end_session_endpoint: `${issuer}/logout`,
      response_types_supported: ['code'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['ES256']
    },
    rotate: () => {
      pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      kid = `${id}-${randomUUID()}`
    },
    answer: async (request) => {
      const url = new URL(request.url)
      if (url.origin !== new URL(issuer).origin) return undefined
      provider.asked.push(url.pathname)
      if (provider.isDown) throw new Error('no route to host')
      const json = (body: unknown, status = 200): Partial<OutboundResponse> => ({
        status,
        headers: { 'content-type': 'application/json' },
        body: Buffer.from(JSON.stringify(body))
      })
      if (url.pathname === '/.well-known/openid-configuration') return json(provider.metadata)
      if (url.pathname === '/keys') return json({ keys: [{ ...(await exportJWK(pair.publicKey)), kid, alg: 'ES256', use: 'sig' }] })
      if (url.pathname === '/userinfo') return json(tokens.get(request.headers?.['authorization']?.replace('Bearer ', '') ?? '') ?? {})
      if (url.pathname !== '/token') return json({}, 404)
      const form = new URLSearchParams(String(request.body))
      const code = codes.get(form.get('code') ?? '')
      codes.delete(form.get('code') ?? '')
      const secret = `Basic ${Buffer.from(`${clientId}:${encodeURIComponent('a secret of the client').replaceAll('%20', '+')}`).toString('base64')}`
      if (request.headers?.['authorization'] !== secret) return json({ error: 'invalid_client' }, 401)
      const challenge = createHash('sha256')
        .update(form.get('code_verifier') ?? '')
        .digest('base64url')
      if (code === undefined || code.challenge !== challenge) return json({ error: 'invalid_grant' }, 400)
      const accessToken = randomUUID()
      tokens.set(accessToken, code.userinfo)
      return json({ access_token: accessToken, token_type: 'Bearer', expires_in: 60, id_token: code.idToken })
    },
    grant: async (authorization, claims = {}, more = {}) => {
      const asked = new URL(authorization).searchParams
      assert.equal(new URL(authorization).origin, new URL(issuer).origin)
      assert.deepEqual([asked.get('response_type'), asked.get('client_id'), asked.get('code_challenge_method')], ['code', clientId, 'S256'])
      assert.match(asked.get('scope') ?? '', /openid/)
      const now = seconds()
      // OpenID Connect Core 1.0 section 2: with max_age the provider has to say when the user signed in.
      const signedIn = asked.has('max_age') ? { auth_time: now } : {}
      const idToken = await sign(
        { iss: issuer, sub: 'u-1', aud: clientId, iat: now, exp: now + 300, nonce: asked.get('nonce') ?? '', sid: `${id}-sid-1`, ...signedIn, ...claims },
        more
      )
      const code = randomUUID()
      codes.set(code, { challenge: asked.get('code_challenge') ?? '', idToken, userinfo: { sub: claims.sub ?? 'u-1', ...more.userinfo } })
      const back = new URL(asked.get('redirect_uri') ?? '')
      const parameters = { code, state: asked.get('state') ?? '', iss: issuer, ...more.answer }
      for (const [name, value] of Object.entries(parameters)) if (value !== undefined) back.searchParams.set(name, value)
      return back.href
    },
    logoutToken: (claims, more = {}) => {
      const now = Math.floor(nowMs() / 1000)
      const token = { iss: issuer, aud: clientId, iat: now, exp: now + 120, jti: randomUUID(), events: logoutEvent, ...claims }
      // A claim that is set to undefined is left out.
      return sign(Object.fromEntries(Object.entries(token).filter(([, value]) => value !== undefined)), {
        ...more,
        header: { typ: 'logout+jwt', ...more.header }
      })
    }
  }
  return provider
}
