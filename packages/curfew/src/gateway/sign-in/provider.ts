import type { KeyObject } from 'node:crypto'
import { codeChallenge, CurfewError, isCurfewError } from '@curfew/codecs'
import { calculateJwkThumbprint, type JSONWebKeySet, type JWK, SignJWT } from 'jose'
import * as openid from 'openid-client'
import type { Clock } from '../../platform/clock.ts'
import type { Outbound } from '../../platform/outbound.ts'
import type { Random } from '../../platform/random.ts'
import { deriveKeyPair } from '../session/cookie-keys.ts'
import type { ProviderSettings } from '../settings.ts'

/** What a request to the provider carries so that it knows the gateway. */
export interface Credentials {
  readonly headers: Readonly<Record<string, string>>
  /** Parameters of the query. */
  readonly query: Readonly<Record<string, string>>
}

/** What a sign-in brought. */
export interface SignedIn {
  readonly subject: string
  readonly claims: Readonly<Record<string, unknown>>
  readonly idToken: string
  readonly tokens: Tokens
  /** Those of {@link claims} that the UserInfo endpoint told. */
  readonly userInfo: Readonly<Record<string, unknown>>
}

/** What the gateway asks the provider with. */
export interface Tokens {
  readonly accessToken: string
  /** How long the access token is good, where the provider says so. */
  readonly accessTokenMs?: number
  readonly refreshToken?: string
}

/** What became of a refresh token: tokens, or that the provider does not take it (any more): `invalid_grant`. */
export type RefreshedTokens = { readonly kind: 'tokens'; readonly tokens: Tokens } | { readonly kind: 'refused' }

/** What the UserInfo endpoint says about a user: claims, or that it does not take the token (any more). */
export type UserClaims = { readonly kind: 'claims'; readonly claims: Readonly<Record<string, unknown>> } | { readonly kind: 'refused' }

declare const published: unique symbol

/** An endpoint of the provider with what is said to it: from its metadata, never from a request. */
export type ProviderAddress = string & { readonly [published]: true }

export interface AuthorizationWish {
  readonly redirectUri: string
  readonly state: string
  readonly nonce: string
  readonly verifier: string
}

/** The OpenID provider, over the one outbound door. What it publishes is read at the first use and again after a while. */
export interface Provider {
  readonly issuer: string
  /** @throws CURFEW_GATEWAY_PROVIDER when it can not be reached or used */
  authorizationUrl(wish: AuthorizationWish): Promise<ProviderAddress>
  /** @throws CURFEW_GATEWAY_PROVIDER, CURFEW_GATEWAY_SIGN_IN when it refused, or its answer does not hold */
  signIn(answer: URL, wish: AuthorizationWish): Promise<SignedIn>
  /** Asks for the claims of a user again. @throws CURFEW_GATEWAY_PROVIDER, CURFEW_GATEWAY_SIGN_IN when the answer is about somebody else */
  userInfo(accessToken: string, subject: string): Promise<UserClaims>
  /**
   * Asks for a new access token. What the answer does not replace of the refresh token goes on.
   * @throws CURFEW_GATEWAY_PROVIDER, CURFEW_GATEWAY_SIGN_IN for any other refusal, and an answer about somebody else
   */
  refresh(refreshToken: string, subject: string): Promise<RefreshedTokens>
  /** Where a sign-out at the provider begins; undefined when it has none. */
  signOutUrl(parts: { readonly landing?: string; readonly idToken?: string }): Promise<ProviderAddress | undefined>
  /**
   * Ends sessions of it from server to server, where it has an address for that. It is told of each, whatever becomes of the others.
   * @param sids - what it calls the sessions
   * @returns false where it has none
   * @throws CURFEW_GATEWAY_PROVIDER where one was not confirmed
   */
  endSessions(sids: readonly string[]): Promise<boolean>
  /** True when its sign-out wants the ID token back. */
  wantsIdToken(): Promise<boolean>
  /** Its key set; `again` reads it anew, at most every few seconds. */
  keys(again: boolean): Promise<JSONWebKeySet>
  /** An address that its metadata names, or the one that the authority of this product has. */
  address(metadata: string, path: string): Promise<string>
  credentials(): Promise<Credentials>
  /** Public keys of the gateway as a client. */
  readonly ownKeys: () => Promise<JSONWebKeySet>
}

export interface ProviderDeps {
  readonly settings: ProviderSettings
  readonly secret: Uint8Array
  readonly outbound: Pick<Outbound, 'request'>
  readonly clock: Clock
  readonly steadyMs: () => number
  readonly random: Random
}

/** What the provider publishes counts for so long. */
const metadataMsMax = 3_600_000
/** It is not read again sooner than this after the last time, whether that succeeded or not. */
const againMs = 5_000
/** Who asks for what is known waits so long for it to be read anew. */
const anewMsMax = 1_000
const answerBytesMax = 512 * 1024
const timeoutMs = 10_000

export function createProvider(deps: ProviderDeps): Provider {
  const { settings } = deps
  const own = deriveKeyPair(deps.secret, 'client key')
  const fetchOver = overOutbound(deps.outbound)
  const configuration = remembered(deps, () => discover(settings, own.privateKey, fetchOver))
  const keySet = remembered(deps, async () => readKeys(settings, fetchOver, String((await metadata())['jwks_uri'])))
  const metadata = async (): Promise<Readonly<Record<string, unknown>>> =>
    (await configuration()).serverMetadata() as unknown as Readonly<Record<string, unknown>>
  return {
    issuer: settings.issuer,
    authorizationUrl: async (wish) => {
      return openid.buildAuthorizationUrl(await configuration(), {
        redirect_uri: wish.redirectUri,
        scope: [...new Set(['openid', ...settings.scopes])].join(' '),
        state: wish.state,
        nonce: wish.nonce,
        code_challenge: codeChallenge(wish.verifier),
        code_challenge_method: 'S256'
      }).href as ProviderAddress
    },
    signIn: async (answer, wish) => signIn(await configuration(), settings, answer, wish),
    userInfo: async (accessToken, subject) => userInfo(await configuration(), settings, accessToken, subject),
    refresh: async (refreshToken, subject) => refresh(await configuration(), settings, refreshToken, subject),
    async signOutUrl({ landing, idToken }) {
      const published = await metadata()
      const ping = published['ping_end_session_endpoint']
      if (typeof ping === 'string') return withQuery(ping, landing === undefined ? {} : { TargetResource: landing })
      const standard = published['end_session_endpoint']
      if (typeof standard !== 'string') return undefined
      return withQuery(standard, {
        client_id: settings.clientId,
        ...(idToken === undefined ? {} : { id_token_hint: idToken }),
        ...(landing === undefined ? {} : { post_logout_redirect_uri: landing })
      })
    },
    async endSessions(sids) {
      const url = addressIn(settings, await metadata(), 'curfew_logout_endpoint')
      if (url === undefined) return false
      // Each with an assertion of its own, which is good once.
      const answers = await Promise.allSettled(sids.map(async (sid) => endSession(deps, url, sid, await credentialsOf(deps, own.privateKey))))
      for (const answer of answers) if (answer.status === 'rejected') throw answer.reason
      return true
    },
    wantsIdToken: async () => settings.useSingleLogout && (await metadata())['ping_end_session_endpoint'] === undefined,
    keys: (again) => keySet(again ? { ageMsMax: againMs, waitMs: timeoutMs } : {}),
    address: async (name, path) => addressIn(settings, await metadata(), name) ?? new URL(settings.issuer).origin + path,
    credentials: () => credentialsOf(deps, own.privateKey),
    ownKeys: async () => ({ keys: [{ ...(await publicJwk(own.publicKey)), alg: 'ES256', use: 'sig' }] })
  }
}

/** An address that the metadata names for this client. */
function addressIn({ authentication }: ProviderSettings, published: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const { [name]: usual } = published
  const address = authentication.kind === 'certificate' ? (aliasIn(published, name) ?? usual) : usual
  return typeof address === 'string' ? address : undefined
}

/** Where clients with a certificate go instead (RFC 8705 section 5). */
function aliasIn({ mtls_endpoint_aliases: aliases }: Readonly<Record<string, unknown>>, name: string): unknown {
  return typeof aliases === 'object' && aliases !== null ? (aliases as Readonly<Record<string, unknown>>)[name] : undefined
}

async function publicJwk(key: KeyObject): Promise<JWK & { readonly kid: string }> {
  const jwk = key.export({ format: 'jwk' }) as JWK
  return { ...jwk, kid: await calculateJwkThumbprint(jwk) }
}

/** What was read: at once while it is young enough. */
type Remembered<T> = (wish?: { readonly ageMsMax?: number; readonly waitMs?: number }) => Promise<T>

/**
 * What was read counts for a while; then it is read again, and while that fails or takes long, what was read last goes on.
 * One reading is under way at a time.
 */
function remembered<T>({ clock, steadyMs }: Pick<ProviderDeps, 'clock' | 'steadyMs'>, load: () => Promise<T>): Remembered<T> {
  const state = { good: undefined as { readonly value: T } | undefined, goodAtMs: 0, triedAtMs: 0, reading: undefined as Promise<T> | undefined }
  const read = (nowMs: number): Promise<T> => {
    state.triedAtMs = nowMs
    return load()
      .then((value) => {
        state.good = { value }
        state.goodAtMs = nowMs
        return value
      })
      .finally(() => {
        state.reading = undefined
      })
  }
  return async ({ ageMsMax = metadataMsMax, waitMs = anewMsMax } = {}) => {
    const { good, goodAtMs, triedAtMs } = state
    const nowMs = steadyMs()
    if (good === undefined) return (state.reading ??= read(nowMs))
    const isYoung = nowMs - goodAtMs <= ageMsMax
    const wasTried = state.reading === undefined && nowMs - triedAtMs < againMs
    if (isYoung || wasTried) return good.value
    return orKnown(clock, (state.reading ??= read(nowMs)), waitMs, good.value)
  }
}

/** What comes in time, else what is known. */
function orKnown<T>(clock: Clock, coming: Promise<T>, waitMs: number, known: T): Promise<T> {
  return new Promise((resolve) => {
    const timer = clock.after(waitMs, () => resolve(known))
    coming.then(resolve, () => resolve(known)).finally(() => timer.cancel())
  })
}

/** @throws CURFEW_GATEWAY_PROVIDER for any answer that is no key set: one with another status, or a document about a problem */
async function readKeys(settings: ProviderSettings, fetchOver: openid.CustomFetch, url: string): Promise<JSONWebKeySet> {
  try {
    const answer = await fetchOver(url, { method: 'GET', headers: {}, body: undefined, redirect: 'manual' })
    if (answer.status !== 200) throw new Error(`its key set was answered with ${answer.status}`)
    const read: unknown = await answer.json()
    if (!isKeySet(read)) throw new Error('its key set is none')
    return read
  } catch (cause) {
    throw providerFailed(settings, cause)
  }
}

function isKeySet(value: unknown): value is JSONWebKeySet {
  const keys: unknown = typeof value === 'object' && value !== null && 'keys' in value ? value.keys : undefined
  return Array.isArray(keys) && keys.every((key) => typeof key === 'object' && key !== null)
}

async function discover(settings: ProviderSettings, key: KeyObject, fetchOver: openid.CustomFetch): Promise<openid.Configuration> {
  const issuer = new URL(settings.issuer)
  const isPlain = issuer.protocol === 'http:'
  const client = settings.authentication.kind === 'certificate' ? { use_mtls_endpoint_aliases: true } : {}
  try {
    const configuration = await openid.discovery(issuer, settings.clientId, client, await authenticationOf(settings, key), {
      [openid.customFetch]: fetchOver,
      execute: [openid.enableNonRepudiationChecks, ...(isPlain ? [openid.allowInsecureRequests] : [])]
    })
    configuration[openid.customFetch] = fetchOver
    return configuration
  } catch (cause) {
    throw providerFailed(settings, cause)
  }
}

async function authenticationOf({ authentication }: ProviderSettings, key: KeyObject): Promise<openid.ClientAuth> {
  if (authentication.kind === 'secret')
    return authentication.method === 'clientSecretBasic' ? openid.ClientSecretBasic(authentication.secret) : openid.ClientSecretPost(authentication.secret)
  if (authentication.kind === 'certificate') return openid.TlsClientAuth()
  const pkcs8 = key.export({ type: 'pkcs8', format: 'der' })
  const cryptoKey = await crypto.subtle.importKey('pkcs8', pkcs8, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign'])
  const jwk = key.export({ format: 'jwk' }) as JWK
  return openid.PrivateKeyJwt({ key: cryptoKey, kid: await calculateJwkThumbprint({ kty: 'EC', crv: 'P-256', x: jwk.x ?? '', y: jwk.y ?? '' }) })
}

/** Requests of the library by the outbound door: pinned addresses, bounded time and size, no redirects. */
function overOutbound(outbound: Pick<Outbound, 'request'>): openid.CustomFetch {
  return async (url, { method, headers, body, signal }) => {
    const answer = await outbound.request({
      peerId: 'provider',
      url,
      method: method === 'POST' ? 'POST' : 'GET',
      headers,
      timeoutMs,
      responseBytesMax: answerBytesMax,
      ...(body === undefined || body === null ? {} : { body: textOf(body) }),
      ...(signal === undefined ? {} : { signal })
    })
    return new Response(answer.status === 204 ? null : new Uint8Array(answer.body), { status: answer.status, headers: answer.headers })
  }
}

/** The library sends forms and nothing else. */
function textOf(body: unknown): string {
  if (typeof body === 'string') return body
  if (body instanceof URLSearchParams) return body.toString()
  throw new TypeError('a request to the provider has a form for a body')
}

async function signIn(configuration: openid.Configuration, settings: ProviderSettings, answer: URL, wish: AuthorizationWish): Promise<SignedIn> {
  try {
    const tokens = await openid.authorizationCodeGrant(configuration, answer, {
      pkceCodeVerifier: wish.verifier,
      expectedState: wish.state,
      expectedNonce: wish.nonce,
      idTokenExpected: true
    })
    const claims = tokens.claims()
    if (claims === undefined || tokens.id_token === undefined) throw new CurfewError('CURFEW_GATEWAY_SIGN_IN', { why: 'there is no ID token' })
    const hasMore = settings.userInfo && configuration.serverMetadata().userinfo_endpoint !== undefined
    const more = hasMore ? await openid.fetchUserInfo(configuration, tokens.access_token, claims.sub) : {}
    return { subject: claims.sub, claims: { ...more, ...claims }, idToken: tokens.id_token, tokens: tokensOf(tokens), userInfo: more }
  } catch (cause) {
    throw isCurfewError(cause) ? cause : signInFailed(settings, cause)
  }
}

function tokensOf({ access_token: accessToken, expires_in: seconds, refresh_token: refreshToken }: openid.TokenEndpointResponse): Tokens {
  return { accessToken, ...(seconds === undefined ? {} : { accessTokenMs: seconds * 1000 }), ...(refreshToken === undefined ? {} : { refreshToken }) }
}

async function refresh(configuration: openid.Configuration, settings: ProviderSettings, refreshToken: string, subject: string): Promise<RefreshedTokens> {
  try {
    const answer = await openid.refreshTokenGrant(configuration, refreshToken)
    const claims = answer.claims()
    // OpenID Connect Core 1.0 section 12.2: an ID token that comes along is about the same person.
    if (claims !== undefined && claims.sub !== subject) throw new CurfewError('CURFEW_GATEWAY_SIGN_IN', { why: 'the ID token is about somebody else' })
    return { kind: 'tokens', tokens: { refreshToken, ...tokensOf(answer) } }
  } catch (cause) {
    if (cause instanceof openid.ResponseBodyError && cause.error === 'invalid_grant') return { kind: 'refused' }
    throw isCurfewError(cause) ? cause : signInFailed(settings, cause)
  }
}

async function userInfo(configuration: openid.Configuration, settings: ProviderSettings, accessToken: string, subject: string): Promise<UserClaims> {
  try {
    return { kind: 'claims', claims: await openid.fetchUserInfo(configuration, accessToken, subject) }
  } catch (cause) {
    if (cause instanceof openid.WWWAuthenticateChallengeError && cause.status === 401) return { kind: 'refused' }
    throw signInFailed(settings, cause)
  }
}

/** The provider's own word, when it gave one; anything else is about reaching it or about its answer. */
function signInFailed(settings: ProviderSettings, cause: unknown): CurfewError {
  if (cause instanceof openid.AuthorizationResponseError || cause instanceof openid.ResponseBodyError)
    return new CurfewError('CURFEW_GATEWAY_SIGN_IN', { why: cause.error.slice(0, 60) }, { cause })
  const inner = cause instanceof Error ? cause.cause : undefined
  if (isCurfewError(inner)) return providerFailed(settings, inner)
  return new CurfewError('CURFEW_GATEWAY_SIGN_IN', { why: cause instanceof Error ? cause.message.slice(0, 120) : 'the answer does not hold' }, { cause })
}

function providerFailed({ issuer }: ProviderSettings, cause: unknown): CurfewError {
  return new CurfewError('CURFEW_GATEWAY_PROVIDER', { issuer, why: reasonOf(cause) }, { cause })
}

/** The library says "something went wrong" of what our own door refused: that one knows better. */
function reasonOf(cause: unknown): string {
  for (let at: unknown = cause; at instanceof Error; at = at.cause) if (isCurfewError(at)) return at.code
  return cause instanceof Error ? cause.message.slice(0, 120) : ''
}

function withQuery(text: string, parameters: Readonly<Record<string, string>>): ProviderAddress {
  const url = new URL(text)
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  return url.href as ProviderAddress
}

async function endSession({ settings, outbound }: ProviderDeps, url: string, sid: string, credentials: Credentials): Promise<void> {
  const { authentication, clientId } = settings
  const isInForm = authentication.kind === 'secret' && authentication.method === 'clientSecretPost'
  const proof = isInForm ? { client_id: clientId, client_secret: authentication.secret } : credentials.query
  try {
    const answer = await outbound.request({
      peerId: 'provider',
      url,
      method: 'POST',
      headers: { ...(isInForm ? {} : credentials.headers), 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ sid, ...proof }).toString(),
      timeoutMs,
      responseBytesMax: answerBytesMax
    })
    // One that ended before is answered with 200 as well. 400: it does not know the session, which proves no end.
    if (answer.status !== 200) throw new Error(`its logout was answered with ${answer.status}`)
  } catch (cause) {
    throw providerFailed(settings, cause)
  }
}

/** How long an assertion about ourselves is good for, in seconds. */
const assertionSeconds = 60

async function credentialsOf({ settings, clock, random }: ProviderDeps, key: KeyObject): Promise<Credentials> {
  const { clientId, authentication, issuer } = settings
  if (authentication.kind === 'secret') {
    // RFC 6749 section 2.3.1: both parts are form-encoded before they are joined.
    const encode = (part: string): string => new URLSearchParams({ p: part }).toString().slice(2)
    return { query: {}, headers: { authorization: `Basic ${Buffer.from(`${encode(clientId)}:${encode(authentication.secret)}`).toString('base64')}` } }
  }
  if (authentication.kind === 'certificate') return { headers: {}, query: { client_id: clientId } }
  const second = Math.floor(clock.nowMs() / 1000)
  const jwk = key.export({ format: 'jwk' }) as JWK
  const kid = await calculateJwkThumbprint({ kty: 'EC', crv: 'P-256', x: jwk.x ?? '', y: jwk.y ?? '' })
  const assertion = await new SignJWT({})
    .setProtectedHeader({ alg: 'ES256', kid })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(issuer)
    .setJti(Buffer.from(random.bytes(16)).toString('base64url'))
    .setIssuedAt(second)
    .setExpirationTime(second + assertionSeconds)
    .sign(key)
  return { headers: {}, query: { client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer', client_assertion: assertion } }
}
