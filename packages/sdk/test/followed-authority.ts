import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { Visitor } from '../../curfew/test/gateway/visitor.ts'
import { freeRange } from '../../curfew/test/support/ports.ts'
import { type RealAuthority, type RealAuthorityOptions, startRealAuthority } from '../../curfew/test/support/real-authority.ts'
import {
  createMemorySessionRegistry,
  createRelyingParty,
  createSessionGuard,
  type Fetch,
  type FeedSettings,
  guardNode,
  type MutualTls,
  type SessionGuard,
  type SessionGuardEvent,
  type StreamFetch
} from '../src/index.ts'

type Connection = Extract<RealAuthorityOptions['connections'][number], { protocol: 'oidc' }>

export interface FollowedOptions {
  readonly scheme?: 'http' | 'https'
  /** Of the authority: the part of its configuration that is not as always. */
  readonly configuration?: RealAuthorityOptions['configuration']
  /** Of the client. */
  readonly connection?: Partial<Connection>
  readonly fetch?: Fetch
  /** Opens the feed, where that is not the `fetch` of Node. */
  readonly open?: StreamFetch
  /** The client proves itself by it and by no secret. */
  readonly mutualTls?: MutualTls
  readonly feed?: Partial<Pick<FeedSettings, 'staleMs' | 'whenUnknown'>>
}

/** An authority with a file for a store, and an application that follows its feed, over real HTTP. */
export interface Followed extends AsyncDisposable {
  readonly issuer: string
  readonly app: string
  readonly guard: SessionGuard
  readonly events: SessionGuardEvent[]
  /** What the client proves itself with, from now on. */
  secret: string
  /** Codes of the problems that were told, each once. */
  problems(): readonly string[]
  authority(): RealAuthority
  /** A browser that is signed in there. */
  signedIn(username?: string): Promise<Visitor>
  /** What the application answers: who is there, or the status. */
  who(visitor: Visitor): Promise<string>
  stopAuthority(): Promise<void>
  /** At the same address, with new keys; the store and the rest are as they were. */
  startAuthority(connection?: Partial<Connection>): Promise<void>
  /** Copies of the store, which must be stopped. */
  saveStore(): void
  restoreStore(): void
}

export const staleMs = 2_000

export async function follow(options: FollowedOptions = {}): Promise<Followed> {
  const { scheme = 'http', mutualTls } = options
  const port = await freeRange(2)
  const issuer = `${scheme}://localhost:${port}`
  const app = `http://localhost:${port + 1}`
  const folder = mkdtempSync(join(tmpdir(), 'curfew-followed-'))
  const store = (part = ''): string => join(folder, `curfew.db${part}`)
  const client = { secret: 'a secret that is long enough' }
  const start = (connection: Partial<Connection> = {}): Promise<RealAuthority> =>
    startRealAuthority({
      issuer,
      port,
      usernames: ['ana', 'ben'],
      configuration(config) {
        const stored = { ...config, store: { kind: 'sqlite' as const, file: store() } }
        return options.configuration?.(stored) ?? stored
      },
      connections: [
        {
          id: 'app',
          protocol: 'oidc',
          ...(mutualTls === undefined ? { clientSecret: client.secret } : {}),
          redirectUris: [`${app}/oidc/cb`],
          revocationFeed: true,
          logout: { modes: [] },
          ...options.connection,
          ...connection
        }
      ]
    })
  let authority: RealAuthority | undefined = await start()
  const events: SessionGuardEvent[] = []
  const proof = mutualTls === undefined ? { clientSecret: () => client.secret, open: options.open ?? fetch } : { mutualTls }
  const { fetch: ask = fetch as Fetch } = options
  const guard = createSessionGuard({
    sessions: createMemorySessionRegistry(),
    feed: { issuer, clientId: 'app', fetch: ask, steadyMs: () => performance.now(), staleMs, ...options.feed, ...proof },
    nowMs: Date.now,
    randomBytes,
    onEvent: (event) => void events.push(event)
  })
  const party = createRelyingParty({
    issuer,
    clientId: 'app',
    ...(mutualTls === undefined ? { clientSecret: () => client.secret } : { mutualTls }),
    baseUrl: app,
    sessions: guard.sessions,
    fetch: ask,
    nowMs: Date.now,
    randomBytes
  })
  const guarded = guard.protect(party)
  const server = createServer((request, response) => {
    guardNode(guarded, request, response).then(
      (result) => {
        if (result.kind === 'signed-in') response.end(result.session.attributes['preferred_username']?.[0] ?? '')
        else if (result.kind === 'signed-out') response.writeHead(303, { location: guarded.loginPath('/') }).end()
      },
      () => response.writeHead(500).end()
    )
  })
  server.listen(port + 1, '127.0.0.1')
  await once(server, 'listening')
  return {
    issuer,
    app,
    guard,
    events,
    get secret() {
      return client.secret
    },
    set secret(value) {
      client.secret = value
    },
    problems: () => [...new Set(events.flatMap((event) => (event.kind === 'feed-problem' ? [event.code] : [])))],
    authority: () => authority ?? assert.fail('it is stopped'),
    async signedIn(username = 'ana') {
      const visitor = new Visitor()
      const page = await visitor.fillIn(await visitor.follow(app), username)
      assert.equal(page.body, username)
      return visitor
    },
    async who(visitor) {
      const answer = await visitor.ask(app)
      return answer.status === 200 ? answer.body : String(answer.status)
    },
    async stopAuthority() {
      await authority?.stop()
      await authority?.[Symbol.asyncDispose]()
      authority = undefined
    },
    async startAuthority(connection) {
      authority = await start(connection)
    },
    saveStore: () => copyStore(store, '', '.saved'),
    restoreStore: () => copyStore(store, '.saved', ''),
    async [Symbol.asyncDispose]() {
      await guard.stop()
      server.close().closeAllConnections()
      await authority?.[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true })
    }
  }
}

function copyStore(store: (part: string) => string, from: string, to: string): void {
  for (const part of ['', '-wal', '-shm']) {
    rmSync(store(`${to}${part}`), { force: true })
    if (existsSync(store(`${from}${part}`))) copyFileSync(store(`${from}${part}`), store(`${to}${part}`))
  }
}

/** Waits for what has to come; the reader of the feed pauses for five seconds at most. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 15_000
  while (!(await holds())) {
    assert.ok(performance.now() < endMs, what)
    await setTimeout(50)
  }
}
