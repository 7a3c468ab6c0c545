import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createRemoteJWKSet, type JWTPayload, jwtVerify } from 'jose'
import * as openid from 'openid-client'

/** An application as somebody would write it who has openid-client and reads the standard of back-channel logout. */

interface UserSession {
  readonly sub: string
  readonly sid: string | undefined
  readonly mail: string
  readonly idToken: string
}

interface Waiting {
  readonly verifier: string
  readonly state: string
  readonly nonce: string
}

const settings = process.env as Readonly<Record<'PORT' | 'BASE_URL' | 'ISSUER' | 'CLIENT_ID' | 'CLIENT_SECRET', string>>
const { BASE_URL: baseUrl, CLIENT_ID: clientId } = settings
const redirectUri = `${baseUrl}/callback`
const logoutEvent = 'http://schemas.openid.net/event/backchannel-logout'

const sessions = new Map<string, UserSession>()
const waiting = new Map<string, Waiting>()
const seenTokens = new Set<string>()

/** What the provider says of itself, asked once. */
interface Provider {
  readonly configuration: openid.Configuration
  readonly issuer: string
  readonly keys: ReturnType<typeof createRemoteJWKSet>
}

let known: Promise<Provider> | undefined

/** Asked again when it failed. */
function provider(): Promise<Provider> {
  known ??= discover().catch((error: unknown) => {
    known = undefined
    throw error
  })
  return known
}

async function discover(): Promise<Provider> {
  const configuration = await openid.discovery(new URL(settings.ISSUER), clientId, undefined, openid.ClientSecretBasic(settings.CLIENT_SECRET), {
    execute: [openid.allowInsecureRequests]
  })
  const { issuer, jwks_uri: keysUri } = configuration.serverMetadata()
  return { configuration, issuer, keys: createRemoteJWKSet(new URL(keysUri ?? '')) }
}

function cookie(request: IncomingMessage, name: string): string {
  const pairs = (request.headers.cookie ?? '').split('; ').map((pair) => pair.split('='))
  return pairs.find(([key]) => key === name)?.[1] ?? ''
}

function redirect(response: ServerResponse, location: string, cookies: readonly string[] = []): void {
  response.writeHead(302, { location, 'cache-control': 'no-store', ...(cookies.length === 0 ? {} : { 'set-cookie': [...cookies] }) }).end()
}

function page(response: ServerResponse, title: string, body = ''): void {
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' })
  response.end(`<!doctype html><meta charset="utf-8"><title>${title}</title><h1>${title}</h1>${body}`)
}

async function login(response: ServerResponse): Promise<void> {
  const { configuration } = await provider()
  const verifier = openid.randomPKCECodeVerifier()
  const [state, nonce, key] = [openid.randomState(), openid.randomNonce(), randomBytes(16).toString('hex')]
  waiting.set(key, { verifier, state, nonce })
  const url = openid.buildAuthorizationUrl(configuration, {
    redirect_uri: redirectUri,
    scope: 'openid profile email',
    code_challenge: await openid.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce
  })
  redirect(response, url.href, [`login=${key}; Path=/callback; HttpOnly; SameSite=Lax`])
}

async function callback(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
  const key = cookie(request, 'login')
  const asked = waiting.get(key)
  waiting.delete(key)
  if (asked === undefined) return redirect(response, '/app')
  const { configuration } = await provider()
  const tokens = await openid.authorizationCodeGrant(configuration, url, {
    pkceCodeVerifier: asked.verifier,
    expectedState: asked.state,
    expectedNonce: asked.nonce,
    idTokenExpected: true
  })
  const claims = tokens.claims()
  if (claims === undefined) throw new Error('there is no ID token')
  const user = await openid.fetchUserInfo(configuration, tokens.access_token, claims.sub)
  const id = randomBytes(16).toString('hex')
  sessions.set(id, { sub: claims.sub, sid: claims['sid'] as string | undefined, mail: user.email ?? '', idToken: tokens.id_token ?? '' })
  redirect(response, '/app', [`session=${id}; Path=/; HttpOnly; SameSite=Lax`, 'login=; Path=/callback; Max-Age=0'])
}

async function logout(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const id = cookie(request, 'session')
  const session = sessions.get(id)
  sessions.delete(id)
  if (session === undefined) return redirect(response, '/outside')
  const { configuration } = await provider()
  const url = openid.buildEndSessionUrl(configuration, { id_token_hint: session.idToken, post_logout_redirect_uri: `${baseUrl}/outside` })
  redirect(response, url.href, ['session=; Path=/; Max-Age=0'])
}

/** OpenID Connect Back-Channel Logout 1.0 section 2.6: every check, then the sessions, then the token counts as seen. */
async function backChannelLogout(request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const token = new URLSearchParams(await bodyOf(request)).get('logout_token') ?? ''
    const { issuer, keys } = await provider()
    const { payload } = await jwtVerify(token, keys, {
      issuer,
      audience: clientId,
      algorithms: ['RS256'],
      typ: 'logout+jwt',
      requiredClaims: ['iat', 'exp', 'jti'],
      clockTolerance: 5
    })
    endSessions(payload)
    response.writeHead(200, { 'cache-control': 'no-store' }).end()
  } catch (error) {
    response.writeHead(400, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    response.end(JSON.stringify({ error: 'invalid_request', error_description: String(error) }))
  }
}

function endSessions({ sub, sid, jti, events, nonce }: JWTPayload): void {
  const event = (events as Record<string, unknown> | undefined)?.[logoutEvent]
  if (typeof event !== 'object' || event === null) throw new Error('it is not about a logout')
  if (nonce !== undefined) throw new Error('it has a nonce')
  if (sub === undefined && sid === undefined) throw new Error('it names neither a user nor a session')
  if (jti === undefined || seenTokens.has(jti)) throw new Error('it was used before')
  for (const [id, session] of sessions) {
    const isMeant = sid === undefined ? session.sub === sub : session.sid === sid
    if (isMeant) sessions.delete(id)
  }
  seenTokens.add(jti)
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = ''
  for await (const part of request.setEncoding('utf8')) body += part as string
  return body
}

function inside(request: IncomingMessage, response: ServerResponse): Promise<void> | void {
  const session = sessions.get(cookie(request, 'session'))
  if (session === undefined) return login(response)
  page(response, `Inside ${clientId}`, `<p>Name <b id="name">${session.sub}</b>, mail <b id="mail">${session.mail}</b></p>`)
}

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', baseUrl)
  switch (`${request.method} ${url.pathname}`) {
    case 'GET /app':
      return inside(request, response)
    case 'GET /callback':
      return callback(request, response, url)
    case 'GET /logout':
      return logout(request, response)
    case 'POST /backchannel-logout':
      return backChannelLogout(request, response)
    case 'GET /outside':
      return page(response, `Outside of ${clientId}`)
    default:
      response.writeHead(404).end()
  }
}

createServer((request, response) => {
  handle(request, response).catch((error: unknown) => {
    console.error(error)
    if (!response.headersSent) response.writeHead(500)
    response.end()
  })
}).listen(Number(settings.PORT), '127.0.0.1')
