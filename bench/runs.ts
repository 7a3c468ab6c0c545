import { createPrivateKey, createPublicKey, sign } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { certificateBase64, parseMetadata, verificationKeyFromPublicKey } from '@curfew/codecs'
import { makeConnection } from '../packages/curfew/src/authority/saml/connection.ts'
import { fixedConnections } from '../packages/curfew/src/authority/saml/connections.ts'
import { createSamlSender } from '../packages/curfew/src/authority/saml/saml-sender.ts'
import type { Engine } from '../packages/curfew/src/engine/engine.ts'
import type { Session } from '../packages/curfew/src/core/session.ts'
import { createSelfSigned } from '../packages/curfew/src/platform/certificate.ts'
import { systemClock } from '../packages/curfew/src/platform/clock.ts'
import { createIds } from '../packages/curfew/src/platform/ids.ts'
import { createOutbound } from '../packages/curfew/src/platform/outbound.ts'
import { systemRandom } from '../packages/curfew/src/platform/random.ts'
import { hourMs, sampleParticipant, sampleSession } from '../packages/curfew/src/stores/conformance/samples.ts'
import { openSqliteStore } from '../packages/curfew/src/stores/sqlite/sqlite-store.ts'
import { benchEngine } from './engine.ts'
import { type Application, startApplications } from './idp/applications.ts'
import { quantile } from './idp/turns.ts'
import { rateOf } from './measure.ts'

const entityId = 'https://idp.example'
/** Runs that go on at the same time. */
const atOnce = 8
const logouts = [
  { participants: 1, runs: 400 },
  { participants: 5, runs: 200 },
  { participants: 50, runs: 40 }
] as const

/**
 * Whole logouts by the product's own sender: plan, commit, LogoutRequest signed, HTTP on this machine, LogoutResponse
 * signed there and verified here, outcome, receipt. Both sides share this process; `simplesamlphp` has the same with a
 * server of its own.
 */
export async function benchRuns(): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-bench-'))
  const applications = await startApplications(Math.max(...logouts.map(({ participants }) => participants)))
  const outbound = createOutbound({ clock: systemClock, allowPrivate: ['127.0.0.0/8'], hosts: { [applications.host]: '127.0.0.1' }, perPeerMax: 16 })
  const store = await openSqliteStore({ file: join(folder, 'curfew.db'), capacity: 1_000_000 })
  const pair = await createSelfSigned('idp.example', { fromMs: Date.now(), days: 30 }, systemRandom)
  const key = createPrivateKey(pair.keyPem)
  applications.trust({ entityId, keys: [verificationKeyFromPublicKey(createPublicKey(key))] })
  const descriptors = parseMetadata(Buffer.from(applications.metadata('soap')))
  const connections = applications.all.map((one) =>
    makeConnection({
      settings: { id: one.id, entityId: one.entityId },
      descriptor: descriptors.find((descriptor) => descriptor.entityId === one.entityId),
      certificates: [],
      ownKeys: [{ key, algorithm: 'rsa-sha256', certificate: certificateBase64(pair.certificatePem) }],
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
  try {
    await engine.start()
    const octets = Buffer.alloc(700)
    const rawSign = rateOf(() => sign('sha256', octets, key)).perCpuSecond
    const lines = [`Complete logouts by SOAP, SQLite with synchronous=FULL, RSA-3072, ${atOnce} runs at once (wall-clock, applications in this process)`]
    let next = 0
    for (const { participants, runs } of logouts) {
      const opened = Array.from({ length: runs }, (_, i) => liveSession(next + i))
      const told = applications.all.slice(0, participants)
      for (const [i, one] of opened.entries()) {
        await store.openSession(one)
        await Promise.all(told.map((application) => store.addParticipant(one.id, participantOf(application, next + i))))
      }
      next += runs
      lines.push(await measured(engine, opened, participants, rawSign))
    }
    return lines
  } finally {
    await engine.stop()
    await store[Symbol.asyncDispose]()
    await outbound.close()
    applications.close()
    rmSync(folder, { recursive: true, force: true })
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

async function measured(engine: Engine, opened: readonly Session[], participants: number, rawSign: number): Promise<string> {
  const times: number[] = []
  const queue = [...opened]
  const startedMs = performance.now()
  const work = async (): Promise<void> => {
    for (let one = queue.pop(); one !== undefined; one = queue.pop()) {
      const beganMs = performance.now()
      await endOne(engine, one)
      times.push(performance.now() - beganMs)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  const perSecond = opened.length / ((performance.now() - startedMs) / 1000)
  // The cores could sign so many runs, if signing were all there is to do: a request and an answer for each participant.
  const cores = availableParallelism()
  const ceiling = (cores * rawSign) / (2 * participants)
  const share = `${(perSecond / ceiling).toFixed(2)} of what signing alone allows on ${cores} cores`
  return `  ${`${participants} told`.padEnd(20)} ${perSecond.toFixed(1).padStart(7)} per second, ${share}; p50 ${quantile(times, 0.5)} ms, p99 ${quantile(times, 0.99)} ms`
}

/** @throws Error where not every application confirmed: a figure of failures is none */
async function endOne(engine: Engine, { id }: Session): Promise<void> {
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
