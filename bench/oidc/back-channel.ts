import { type KeyObject, sign } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Clients, fixedClients, makeClient } from '../../packages/curfew/src/authority/oidc/client.ts'
import { makeTokenKey } from '../../packages/curfew/src/authority/oidc/keys.ts'
import { createOidcSender } from '../../packages/curfew/src/authority/oidc/oidc-sender.ts'
import type { TokenKey } from '../../packages/curfew/src/authority/oidc/settings.ts'
import type { Engine } from '../../packages/curfew/src/engine/engine.ts'
import type { Sender } from '../../packages/curfew/src/engine/sender.ts'
import { systemClock } from '../../packages/curfew/src/platform/clock.ts'
import { createIds, type Ids } from '../../packages/curfew/src/platform/ids.ts'
import { createOutbound } from '../../packages/curfew/src/platform/outbound.ts'
import { systemRandom } from '../../packages/curfew/src/platform/random.ts'
import { sampleParticipant, sampleSession } from '../../packages/curfew/src/stores/conformance/samples.ts'
import { openSqliteStore, type SqliteStore } from '../../packages/curfew/src/stores/sqlite/sqlite-store.ts'
import { makeKeyPair } from '../../packages/curfew/test/authority/key-pairs.ts'
import { benchEngine } from '../engine.ts'
import { line } from '../measure.ts'
import type { ReceiverState } from './arrival.ts'
import type { Child } from './child.ts'
import { clientId, clientSecret, redirectUri } from './provider-under-test.ts'

const clientsPerSession = 10
const sessionsPerTurn = 60
const rounds = 4

/** One thing that tells clients: how many it told, each turn. */
type Teller = () => Promise<number>

interface World {
  readonly key: KeyObject
  readonly tokenKeys: readonly TokenKey[]
  readonly clients: Clients
  readonly url: (client: number) => string
}

/** Deliveries by the back channel, beside a bare ES256 signature and a bare POST of the same process. */
export async function benchBackChannel(receiver: Child<object, ReceiverState>): Promise<readonly string[]> {
  const { port } = await receiver.ask({})
  const world = await worldOf((client) => `http://127.0.0.1:${port}/client/${client}`)
  const ids = createIds(systemRandom)
  const outbound = createOutbound({ clock: systemClock, allowPrivate: ['127.0.0.0/8'], hosts: {}, perPeerMax: 16 })
  const { clients, tokenKeys } = world
  const folder = mkdtempSync(join(tmpdir(), 'curfew-bench-'))
  const store = await openSqliteStore({ file: join(folder, 'curfew.db'), capacity: 1_000_000 })
  const sender = createOidcSender({ issuer: 'https://idp.example', clients, keys: tokenKeys, ids, outbound, store })
  const engine = benchEngine({ store, ids, senders: [sender], peer: (id) => clients.peer(id) })
  await engine.start()
  const [bare = 1, sent = 0, durable = 0] = await rates([bareTeller(world), senderTeller(world, sender, ids), engineTeller(store, engine)], receiver)
  await engine.stop()
  await store[Symbol.asyncDispose]()
  await outbound.close()
  rmSync(folder, { recursive: true, force: true })
  return [
    'OpenID: logout tokens delivered for the CPU of this process, receivers in another',
    `  ${'raw: ES256 signature and HTTP POST'.padEnd(44)} ${bare.toFixed(0).padStart(7)} per CPU-second`,
    line('token made, signed, posted, answer judged', sent / bare, 'raw signature and POST'),
    line(`whole runs of ${clientsPerSession} clients, SQLite, receipt`, durable / bare, 'raw signature and POST')
  ]
}

async function worldOf(url: World['url']): Promise<World> {
  const { key } = makeKeyPair('curfew')
  const tokenKeys = [await makeTokenKey(key, 'bench')]
  const settings = Array.from({ length: clientsPerSession }, (_, i) => ({
    id: clientId(i),
    clientSecret,
    redirectUris: [redirectUri],
    logout: { modes: ['backChannel' as const], backChannelUri: url(i) }
  }))
  return { key, tokenKeys, url, clients: fixedClients(settings.map((one) => makeClient(one, tokenKeys))) }
}

/** Best of the rounds of each, in turns, by CPU of this process. */
async function rates(tellers: readonly Teller[], receiver: Child<object, ReceiverState>): Promise<readonly number[]> {
  const best = tellers.map(() => 0)
  for (let round = 0; round <= rounds; round++) {
    for (const [at, tell] of tellers.entries()) {
      await receiver.ask({})
      const before = process.cpuUsage()
      const told = await tell()
      const { user, system } = process.cpuUsage(before)
      const { arrivals } = await receiver.ask({})
      if (arrivals.length !== told) throw new Error(`${told} were told, ${arrivals.length} heard it`)
      // The first round warms up.
      if (round > 0) best[at] = Math.max(best[at] ?? 0, told / ((user + system) / 1e6))
    }
  }
  return best
}

/** As many as the engine has under way at once in one turn. */
const count = clientsPerSession * sessionsPerTurn
const parallel = 32

async function inParallel(work: (index: number) => Promise<void>): Promise<number> {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: parallel }, worker))
  return count
}

/** A token's octets signed by `node:crypto`, sent by `node:http` over connections that stay open. */
function bareTeller({ key, url }: World): Teller {
  const agent = new Agent({ keepAlive: true, maxSockets: parallel })
  const head = Buffer.from(JSON.stringify({ alg: 'ES256', kid: 'k'.repeat(43), typ: 'logout+jwt' })).toString('base64url')
  const claims = Buffer.from('x'.repeat(330)).toString('base64url')
  const signing = Buffer.from(`${head}.${claims}`)
  return () =>
    inParallel(async (index) => {
      const signature = sign('sha256', signing, { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')
      const status = await postBare(agent, url(index % clientsPerSession), `logout_token=${head}.${claims}.${signature}`)
      if (status !== 200) throw new Error(`the receiver answered ${status}`)
    })
}

function postBare(agent: Agent, url: string, body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': String(Buffer.byteLength(body)) }
    const sent = request(url, { method: 'POST', agent, headers }, (answer) => {
      answer.resume()
      answer.on('end', () => resolve(answer.statusCode ?? 0))
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

/** The sender alone: nothing is recorded. */
function senderTeller({ url }: World, sender: Sender, ids: Ids): Teller {
  const signal = new AbortController().signal
  return () =>
    inParallel(async (index) => {
      const client = index % clientsPerSession
      const request = {
        run: { policy: { sendTimeoutMs: 5_000 } },
        delivery: { peerId: clientId(client), nameId: { value: 'n'.repeat(43) }, sessionIndex: 's'.repeat(60) },
        channel: { kind: 'server', binding: 'back-channel', url: url(client) },
        attempt: 1,
        messageId: ids.message(),
        nowMs: systemClock.nowMs()
      } as unknown as Parameters<Sender['send']>[0]
      const { kind } = await sender.send(request, signal)
      if (kind !== 'confirmed') throw new Error(`the delivery was ${kind}`)
    })
}

/** Everything: plan, commit, outbox, attempt recorded, sent, outcome recorded, receipt. */
function engineTeller(store: SqliteStore, engine: Engine): Teller {
  let made = 0
  return async () => {
    const sessions = Array.from({ length: sessionsPerTurn }, () => sampleSession((made += 1), { userKey: `local:${made}` }))
    await Promise.all(sessions.map((one) => store.openSession(one)))
    await Promise.all(sessions.flatMap((one) => Array.from({ length: clientsPerSession }, (_, i) => store.addParticipant(one.id, participantOf(one.id, i)))))
    const ended = await Promise.all(
      sessions.map((one) =>
        engine.endSessions({
          scope: { kind: 'session', sessionId: one.id },
          reason: 'admin',
          by: { kind: 'admin', id: 'bench' },
          starter: { kind: 'none' },
          browser: 'absent'
        })
      )
    )
    const runs = ended.flatMap((summary) => summary.ended.map(({ runId }) => runId))
    await Promise.all(runs.map((id) => engine.waitFor(id, (run) => run.state === 'done', systemClock.nowMs() + 60_000)))
    return count
  }
}

function participantOf(sessionId: string, client: number) {
  return { ...sampleParticipant(clientId(client), client), protocol: 'oidc' as const, sessionIndex: `${sessionId}-${client}` }
}
