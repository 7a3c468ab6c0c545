import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Registry } from '@prometheus-io/client'
import fastify from 'fastify'
import { Pool } from 'undici'
import { composeGateway } from '../packages/curfew/src/cli/compose-gateway.ts'
import { gatewaySettings } from '../packages/curfew/src/cli/gateway-settings.ts'
import { gatewayFileSchema } from '../packages/curfew/src/config/schema.ts'
import { silentLogger } from '../packages/curfew/src/platform/logger.ts'
import { createMemoryStore } from '../packages/curfew/src/stores/memory/memory-store.ts'

/** What the parent learns: where the server listens, and the headers of a request that gets through. */
export interface Ready {
  readonly port: number
  readonly headers: Readonly<Record<string, string>>
  /** Cookies of as many sessions as were asked for, the one in the headers first. */
  readonly cookies: readonly string[]
}

const [mode = '', target = '', portText = '', sessionsText = '1'] = process.argv.slice(2)
const port = Number(portText)
/** Revoked sessions that the list holds while requests are measured. */
const revokedCount = 1_000_000
const ofConnection: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'transfer-encoding'])

process.on('message', (question) => {
  if (question === 'cpu') process.send?.(process.cpuUsage())
  if (question !== 'memory') return
  globalThis.gc?.()
  process.send?.(process.memoryUsage().rss)
})
process.send?.(await started())

async function started(): Promise<Ready> {
  switch (mode) {
    case 'gateway':
      return gateway(revokedCount, 'encrypted')
    case 'signed':
      return gateway(revokedCount, 'signed')
    case 'unlisted':
      return gateway(0, 'encrypted')
    case 'bare':
      return bare()
    case 'judge':
      return judge()
    case 'route':
      return route()
  }
  throw new TypeError(`no mode ${mode}`)
}

/** The gateway with sessions, a list of revoked ones and identity headers. */
async function gateway(revoked: number, cookieType: 'encrypted' | 'signed'): Promise<Ready> {
  const url = `http://wiki.localhost:${port}`
  const file = gatewayFileSchema.parse({
    gateway: {
      listen: [`127.0.0.1:${port}`],
      provider: { issuer: 'http://login.localhost:1', clientId: 'bench', clientSecret: 'a secret that is long enough' },
      webSessions: [{ name: 'main', audience: 'bench', cookieType }],
      forwardAuth: ['envoy'],
      applications: [{ id: 'wiki', urls: [url], target, headers: { 'X-User': 'sub' } }]
    }
  })
  const composed = composeGateway({
    config: file.gateway,
    settings: gatewaySettings(file.gateway, undefined),
    secret: Buffer.alloc(32, 5),
    outbound: file.outbound,
    brand: file.brand,
    logger: silentLogger,
    registry: new Registry(),
    store: createMemoryStore({ capacity: 1 })
  })
  await composed.start()
  const { context } = composed
  const nowMs = Date.now()
  for (let i = 0; i < revoked; i++) context.revocations.add(`revoked ${i}`, nowMs + 3_600_000, nowMs)
  const settings = file.gateway.webSessions[0]
  const webSession = context.settings.applications[0]?.webSession
  if (webSession === undefined || settings === undefined) throw new TypeError('there is a web session')
  const cookieOf = (number: number): string => {
    const session = {
      id: `bench ${number}`,
      audience: 'bench',
      host: new URL(url).host,
      issuer: 'http://login.localhost:1',
      subject: 'ana',
      sri: `a session that goes on ${number}`,
      claims: { email: 'ana@example.org', name: 'Ana Sol', groups: ['staff', 'wiki-editors'] },
      startedAtMs: nowMs,
      expiresAtMs: nowMs + 3_600_000,
      activeAtMs: nowMs + 60_000
    }
    return context.cookies.write(webSession, session, { isSecure: false }, nowMs).split(';', 1)[0] ?? ''
  }
  const cookies = Array.from({ length: Number(sessionsText) }, (_, i) => cookieOf(i))
  return { port, headers: { host: new URL(url).host, cookie: cookies[0] ?? '' }, cookies }
}

/** The least that a proxy can do on the same client: no session, no check, headers as they come. */
async function bare(): Promise<Ready> {
  const pool = new Pool(target, { connections: 64, pipelining: 1 })
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const headers = request.rawHeaders.filter((_, i) => (request.rawHeaders[i - (i % 2)] ?? '').toLowerCase() !== 'connection')
    pool.dispatch(
      { path: request.url ?? '/', method: request.method ?? 'GET', headers, body: null },
      {
        onRequestStart: () => undefined,
        onResponseStart: (_controller, status, answered) => {
          const kept: typeof answered = {}
          for (const name in answered) if (!ofConnection.has(name)) kept[name] = answered[name]
          response.writeHead(status, kept)
        },
        onResponseData: (controller, chunk) => {
          if (!response.write(chunk)) controller.pause()
        },
        onResponseEnd: () => void response.end(),
        onResponseError: () => void response.destroy()
      }
    )
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return { port: (server.address() as AddressInfo).port, headers: {}, cookies: [] }
}

/**
 * What a proxy like nginx may be given to ask, as small as it can be: a signed cookie, its end, a list of a million
 * revoked sessions, one header with the name. No sign-in, no logout, no renewal.
 */
async function judge(): Promise<Ready> {
  const key = Buffer.alloc(32, 5)
  const sign = (text: string): string => createHmac('sha256', key).update(text).digest('base64url')
  const revoked = new Set<string>()
  for (let i = 0; i < revokedCount; i++) revoked.add(`revoked ${i}`)
  const server = createServer((request, response) => {
    const value = /(?:^|; )session=([^;]+)/.exec(request.headers.cookie ?? '')?.[1] ?? ''
    const [payload = '', signature = ''] = value.split('.')
    const right = Buffer.from(sign(payload))
    const given = Buffer.from(signature)
    if (right.length !== given.length || !timingSafeEqual(right, given)) return void response.writeHead(401).end()
    const { sub, sid, exp } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { sub: string; sid: string; exp: number }
    const isGood = Date.now() < exp && !revoked.has(sid)
    response.writeHead(isGood ? 200 : 401, { 'content-length': 0, 'x-user': sub }).end()
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const payload = Buffer.from(JSON.stringify({ sub: 'ana', sid: 'a session that goes on', exp: Date.now() + 3_600_000 })).toString('base64url')
  return { port, headers: { cookie: `session=${payload}.${sign(payload)}` }, cookies: [] }
}

/** A route of Fastify that answers nothing. */
async function route(): Promise<Ready> {
  const app = fastify()
  app.get('/*', (_request, reply) => reply.status(200).send())
  await app.listen({ host: '127.0.0.1', port })
  return { port, headers: {}, cookies: [] }
}
