import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createServer as createCurfew } from '../packages/curfew/src/cli/embed.ts'
import { gatewaySettings } from '../packages/curfew/src/cli/gateway-settings.ts'
import { createSessionCookies } from '../packages/curfew/src/gateway/session/session-cookies.ts'
import { createSelfSigned } from '../packages/curfew/src/platform/certificate.ts'
import { silentLogger } from '../packages/curfew/src/platform/logger.ts'
import { systemRandom } from '../packages/curfew/src/platform/random.ts'
import { freePort } from './oidc/ports.ts'
import { followerFile, type FollowerOptions, followerSecret } from './gateway-follower.ts'

const gateways = 20
const rounds = 25
const refusedMsMax = 1_000
/** Pause between two questions to one gateway; times are as fine as that. */
const pauseMs = 5
export const clientSecret = 'a secret that is long enough'

/**
 * How long a session stays usable after its revocation: one authority, twenty gateways in a process each. Every gateway
 * is asked with the same cookie until it refuses; the time runs from before the revocation is written.
 */
export async function benchFeed(): Promise<readonly string[]> {
  const upstream = createServer((_request, response) => response.end('ok'))
  const target = `http://127.0.0.1:${await listening(upstream)}`
  const folder = await mkdtemp(join(tmpdir(), 'curfew-bench-'))
  const authorityPort = await freePort()
  const issuer = `http://127.0.0.1:${authorityPort}`
  const authority = await startAuthority(folder, authorityPort)
  const ports = await Promise.all(Array.from({ length: gateways }, freePort))
  const followers = await Promise.all(ports.map((port) => startFollower({ issuer, clientSecret, port, target })))
  const times: number[] = []
  try {
    for (let round = 0; round < rounds; round++) times.push(...(await revokeOnce(authority.store, `session ${round}`, ports)))
  } finally {
    for (const follower of followers) follower.kill()
    await authority.stop()
    upstream.close()
    upstream.closeAllConnections()
    await rm(folder, { recursive: true })
  }
  const sorted = times.toSorted((a, b) => a - b)
  const [p50 = 0, p99 = 0] = [sorted[sorted.length >> 1], sorted[Math.floor(sorted.length * 0.99)]]
  const verdict = p99 <= refusedMsMax ? 'met' : 'MISSED'
  return [
    `Revocation to refusal, ${gateways} gateways in a process each, ${times.length} times`,
    `  p50 ${Math.round(p50)} ms, p99 ${Math.round(p99)} ms; bar ${refusedMsMax} ms ${verdict}`
  ]
}

async function revokeOnce(store: Awaited<ReturnType<typeof startAuthority>>['store'], sri: string, ports: readonly number[]): Promise<readonly number[]> {
  const cookie = cookieFor(sri)
  for (const port of ports) if ((await ask(port, cookie)) !== 200) throw new Error('a gateway refuses a session that goes on')
  const startMs = performance.now()
  const refused = ports.map(async (port) => {
    while ((await ask(port, cookie)) === 200) await new Promise((resolve) => setTimeout(resolve, pauseMs))
    return performance.now() - startMs
  })
  await store.revoke(sri, Date.now() + 3_600_000, Date.now())
  return Promise.all(refused)
}

const { gateway } = followerFile({ issuer: 'http://127.0.0.1:1', clientSecret, port: 1, target: 'http://127.0.0.1:2' })
const webSessions = gatewaySettings(gateway, undefined).applications.map((application) => application.webSession)
const cookies = createSessionCookies({ secret: followerSecret, random: systemRandom, webSessions })

export function cookieFor(sri: string): string {
  const [webSession] = webSessions
  if (webSession === undefined) throw new TypeError('there is a web session')
  const nowMs = Date.now()
  const session = {
    id: sri,
    audience: 'bench',
    issuer: 'x',
    subject: 'ana',
    sri,
    claims: {},
    startedAtMs: nowMs,
    expiresAtMs: nowMs + 3_600_000,
    activeAtMs: nowMs
  }
  return cookies.write(webSession, session, { isSecure: false }, nowMs).split(';', 1)[0] ?? ''
}

function ask(port: number, cookie: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port, path: '/', agent: false, headers: { host: `wiki.bench.localhost:${port}`, cookie, accept: 'text/html' } },
      (answer) => {
        answer.resume()
        answer.on('end', () => resolve(answer.statusCode ?? 0))
      }
    )
    // A request that is under way when its session ends is cut.
    sent.on('error', (error: NodeJS.ErrnoException) => (error.code === 'ECONNRESET' ? resolve(0) : reject(error)))
    sent.end()
  })
}

/** An authority with one client that may follow the feed; on SQLite, or on the Redis server of this socket. */
export async function startAuthority(folder: string, port: number, redisSocket?: string) {
  const own = await createSelfSigned('bench', { fromMs: Date.now(), days: 1 }, systemRandom)
  await writeFile(join(folder, 'key.pem'), own.keyPem)
  await writeFile(join(folder, 'cert.pem'), own.certificatePem)
  await writeFile(join(folder, 'secret'), Buffer.alloc(32, 7).toString('base64'))
  await writeFile(join(folder, 'users.yaml'), 'users: []\n')
  const authority = await createCurfew(
    {
      server: { baseUrl: `http://127.0.0.1:${port}`, listen: [`127.0.0.1:${port}`] },
      admin: { listen: ['127.0.0.1:0'], token: '0123456789abcdef' },
      store:
        redisSocket === undefined
          ? { kind: 'sqlite', file: join(folder, 'curfew.db') }
          : { kind: 'redis', redis: { nodes: [`unix:${redisSocket}`], copies: 0 } },
      saml: { keys: [{ key: 'key.pem', certificate: 'cert.pem' }] },
      sessions: { secretFile: 'secret' },
      signOn: { users: 'users.yaml' },
      outbound: { allowPrivate: ['127.0.0.0/8'] },
      connections: [
        { id: 'gate', protocol: 'oidc', clientSecret, redirectUris: ['http://wiki.bench.localhost/pa/oidc/cb'], revocationFeed: true, logout: { modes: [] } }
      ]
    },
    { folder, logger: silentLogger }
  )
  await authority.start()
  return authority
}

/** A gateway in a process of its own; any message is answered by how much is open there. */
export async function startFollower(options: FollowerOptions): Promise<ChildProcess> {
  const child = fork(fileURLToPath(new URL('gateway-follower.ts', import.meta.url)), [JSON.stringify(options)])
  await once(child, 'message')
  return child
}

async function listening(server: ReturnType<typeof createServer>): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}
