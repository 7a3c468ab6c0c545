import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { codeChallenge } from '@curfew/codecs'
import type { Application, ClientOptions } from '../application.ts'
import { listenOnLoopback } from '../listen.ts'
import { createGrant, type Grant } from './grant.ts'
import { devicePage } from './page.ts'

/** A connection that was started in a browser and has not come back. */
interface Pending {
  readonly state: string
  readonly verifier: string
}

/** Most connections under way at once; the oldest is forgotten. */
const pendingMax = 100
const callbackPath = '/connected'

/**
 * Device: has no session of its own. It asks once for offline access, keeps the refresh token, and goes on after every
 * sign-out until somebody ends that access.
 */
export async function startDevice(options: ClientOptions): Promise<Application> {
  const { baseUrl, clientSecret, journal } = options
  const grant = createGrant({ ...options, clientId: 'device', redirectUri: baseUrl + callbackPath })
  const pending = new Map<string, Pending>()

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', baseUrl)
    const route = `${request.method ?? 'GET'} ${url.pathname}`
    if (route === 'GET /connect') return connect(grant, pending, response)
    if (route === `GET ${callbackPath}`) return connected(grant, pending, url, request, response)
    if (route === 'POST /use') {
      await grant.use()
      return redirect(response, '/')
    }
    if (route !== 'GET /') return void response.writeHead(404).end()
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' })
    response.end(devicePage(grant.state()))
  }

  const servers = await listenOnLoopback(options.port, () =>
    createServer((request, response) => {
      handle(request, response).catch(() => response.writeHead(502).end('The authority did not answer as expected.'))
    })
  )
  return {
    id: 'device',
    name: 'Device',
    url: baseUrl,
    note: 'OpenID Connect, offline access: survives a sign-out',
    connection: {
      protocol: 'oidc',
      clientSecret,
      redirectUris: [baseUrl + callbackPath],
      postLogoutRedirectUris: [],
      refreshTokens: true,
      // It is listed by what it holds alone: there is no session of its own that could be ended.
      logout: { modes: ['none'], trackSessions: false }
    },
    journal,
    servers,
    keepsAccess: true
  }
}

async function connect(grant: Grant, pending: Map<string, Pending>, response: ServerResponse): Promise<void> {
  const state = random()
  const verifier = random()
  const browser = random()
  const [oldest] = pending.keys()
  if (oldest !== undefined && pending.size >= pendingMax) pending.delete(oldest)
  pending.set(browser, { state, verifier })
  response.setHeader('set-cookie', `device_connect=${browser}; Path=${callbackPath}; HttpOnly; SameSite=Lax`)
  redirect(response, await grant.authorizationUrl(state, codeChallenge(verifier)))
}

async function connected(grant: Grant, pending: Map<string, Pending>, url: URL, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const browser = /(?:^|;\s*)device_connect=([\w-]+)/.exec(request.headers.cookie ?? '')?.[1] ?? ''
  const known = pending.get(browser)
  pending.delete(browser)
  const code = url.searchParams.get('code')
  if (known !== undefined && code !== null && url.searchParams.get('state') === known.state) await grant.take(code, known.verifier)
  redirect(response, '/')
}

function random(): string {
  return randomBytes(32).toString('base64url')
}

function redirect(response: ServerResponse, location: string): void {
  response.writeHead(303, { location }).end()
}
