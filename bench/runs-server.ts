import { createPrivateKey } from 'node:crypto'
import { join } from 'node:path'
import { certificateBase64, parseMetadata } from '@curfew/codecs'
import { makeConnection } from '../packages/curfew/src/authority/saml/connection.ts'
import { fixedConnections } from '../packages/curfew/src/authority/saml/connections.ts'
import { createSamlSender } from '../packages/curfew/src/authority/saml/saml-sender.ts'
import type { Session } from '../packages/curfew/src/core/session.ts'
import { systemClock } from '../packages/curfew/src/platform/clock.ts'
import { createIds } from '../packages/curfew/src/platform/ids.ts'
import { createOutbound } from '../packages/curfew/src/platform/outbound.ts'
import { systemRandom } from '../packages/curfew/src/platform/random.ts'
import { hourMs, sampleParticipant, sampleSession } from '../packages/curfew/src/stores/conformance/samples.ts'
import { openSqliteStore } from '../packages/curfew/src/stores/sqlite/sqlite-store.ts'
import { benchEngine } from './engine.ts'
import type { Application } from './idp/applications.ts'

/** What a server of logouts by SOAP has to know. */
export interface RunsServerOptions {
  readonly folder: string
  readonly entityId: string
  readonly keyPem: string
  readonly certificatePem: string
  /** Who is told, where they are, and what their metadata say. */
  readonly applications: readonly Application[]
  readonly host: string
  readonly metadata: string
}

/** Ends sessions as the product does: the store on SQLite, the engine, the sender of SAML. */
export interface RunsServer extends AsyncDisposable {
  /** So many live sessions with so many applications each. */
  open(sessions: number, participants: number): Promise<readonly Session[]>
  /** Ends them, so many at once, and waits for each until all have confirmed; returns how long each took, in ms. */
  endAll(sessions: readonly Session[], atOnce: number): Promise<readonly number[]>
}

export async function startRunsServer({ folder, entityId, keyPem, certificatePem, applications, host, metadata }: RunsServerOptions): Promise<RunsServer> {
  const outbound = createOutbound({ clock: systemClock, allowPrivate: ['127.0.0.0/8'], hosts: { [host]: '127.0.0.1' }, perPeerMax: 16 })
  const store = await openSqliteStore({ file: join(folder, 'curfew.db'), capacity: 1_000_000 })
  const key = createPrivateKey(keyPem)
  const descriptors = parseMetadata(Buffer.from(metadata))
  const connections = applications.map((one) =>
    makeConnection({
      settings: { id: one.id, entityId: one.entityId },
      descriptor: descriptors.find((descriptor) => descriptor.entityId === one.entityId),
      certificates: [],
      ownKeys: [{ key, algorithm: 'rsa-sha256', certificate: certificateBase64(certificatePem) }],
      nowMs: Date.now()
    })
  )
  const ids = createIds(systemRandom)
  const partners = fixedConnections(connections)
  const artifacts = { put: () => Promise.reject(new Error('nothing goes by artifact here')) }
  const engine = benchEngine({
    store,
    ids,
    senders: [createSamlSender({ entityId, connections: partners, ids, outbound, random: systemRandom, artifacts })],
    peer: (id) => partners.byId(id)?.peer
  })
  await engine.start()
  let next = 0
  /** @throws Error where not every application confirmed: a figure of failures is none */
  const endOne = async ({ id }: Session): Promise<void> => {
    const { ended } = await engine.endSessions({
      scope: { kind: 'session', sessionId: id },
      reason: 'admin',
      by: { kind: 'admin', id: 'bench' },
      starter: { kind: 'none' },
      browser: 'absent'
    })
    const runId = ended[0]?.runId
    const run = runId === undefined ? undefined : await engine.waitFor(runId, ({ state }) => state === 'done', Date.now() + 60_000)
    const open = run?.deliveries.filter(({ outcome }) => outcome?.kind !== 'ended') ?? []
    if (run === undefined || open.length > 0) throw new Error(`a run did not end everywhere: ${JSON.stringify(open[0] ?? id)}`)
  }
  return {
    async open(sessions, participants) {
      const opened = Array.from({ length: sessions }, (_, i) => liveSession(next + i))
      const told = applications.slice(0, participants)
      for (const [i, one] of opened.entries()) {
        await store.openSession(one)
        await Promise.all(told.map((application) => store.addParticipant(one.id, participantOf(application, next + i))))
      }
      next += sessions
      return opened
    },
    async endAll(sessions, atOnce) {
      const times: number[] = []
      const queue = [...sessions]
      const work = async (): Promise<void> => {
        for (let one = queue.pop(); one !== undefined; one = queue.pop()) {
          const beganMs = performance.now()
          await endOne(one)
          times.push(performance.now() - beganMs)
        }
      }
      await Promise.all(Array.from({ length: atOnce }, work))
      return times
    },
    async [Symbol.asyncDispose]() {
      await engine.stop()
      await store[Symbol.asyncDispose]()
      await outbound.close()
    }
  }
}

/** Live for hours, so that none expires before its logout. */
function liveSession(n: number): Session {
  const nowMs = Date.now()
  return sampleSession(n, { userKey: `local:${n}`, createdAtMs: nowMs, lastActivityAtMs: nowMs, idleExpiresAtMs: nowMs + hourMs, expiresAtMs: nowMs + hourMs })
}

function participantOf({ id, entityId: name }: Application, n: number) {
  return sampleParticipant(id, n, { nameId: { value: 'ana', spNameQualifier: name } })
}
