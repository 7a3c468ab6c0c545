import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RunId } from '../packages/curfew/src/core/ids.ts'
import {
  decodeSoap,
  encodeSoap,
  serialiseLogoutRequest,
  serialiseLogoutResponse,
  signMessage,
  status,
  verificationKeyFromPublicKey,
  verifyLogoutRequest,
  verifyLogoutResponse
} from '@curfew/codecs'
import { generateKeyPairSync, sign } from 'node:crypto'
import { createIds } from '../packages/curfew/src/platform/ids.ts'
import { systemRandom } from '../packages/curfew/src/platform/random.ts'
import { sampleParticipant, sampleSession } from '../packages/curfew/src/stores/conformance/samples.ts'
import { openSqliteStore } from '../packages/curfew/src/stores/sqlite/sqlite-store.ts'
import { benchEngine, soapPeer } from './engine.ts'
import { rateOf } from './measure.ts'

const participants = 5
const runs = 300

/** Whole logouts with five SOAP participants: plan, commit, sign, verify on both sides, outcome, receipt. */
export async function benchRuns(): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-bench-'))
  const store = await openSqliteStore({ file: join(folder, 'curfew.db'), capacity: 1_000_000 })
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const key = { key: privateKey, algorithm: 'rsa-sha256' as const }
  const keys = [verificationKeyFromPublicKey(publicKey)]
  const ids = createIds(systemRandom)
  const engine = benchEngine({
    store,
    ids,
    senders: [
      {
        protocol: 'saml',
        newMessageId: () => ids.message(),
        // Both halves of the exchange in this process: two signatures and two verifications per participant.
        send: async ({ delivery, messageId }) => {
          const issueInstant = Temporal.Now.instant()
          const request = {
            kind: 'LogoutRequest' as const,
            id: messageId,
            issuer: 'https://idp.example',
            issueInstant,
            subject: delivery.nameId,
            sessionIndexes: [delivery.sessionIndex],
            asynchronous: false
          }
          const asked = verifyLogoutRequest(decodeSoap(Buffer.from(encodeSoap(await signMessage(serialiseLogoutRequest(request), key)))), {
            entityId: 'https://idp.example',
            keys
          })
          const response = {
            kind: 'LogoutResponse' as const,
            id: ids.message(),
            issuer: `https://${delivery.peerId}.example`,
            issueInstant,
            inResponseTo: asked.id,
            status: status.success()
          }
          const answer = encodeSoap(await signMessage(serialiseLogoutResponse(response), key))
          const verified = verifyLogoutResponse(decodeSoap(Buffer.from(answer)), { entityId: `https://${delivery.peerId}.example`, keys })
          return { kind: 'confirmed', result: 'ended', proof: { kind: 'signed-answer', messageId: verified.id, hash: 'h', signedBy: 'k' } }
        },
        prepareBrowser: async () => ({ method: 'redirect', url: 'https://never.example' })
      }
    ],
    peer: soapPeer
  })
  const opened = Array.from({ length: runs }, (_, i) => sampleSession(i, { userKey: `local:${i}` }))
  for (const [at, one] of opened.entries()) {
    await store.openSession(one)
    await Promise.all(Array.from({ length: participants }, (_, n) => store.addParticipant(one.id, sampleParticipant(`peer${n}`, at))))
  }
  await engine.start()
  const startedMs = performance.now()
  const started = await Promise.all(
    opened.map(
      async (one): Promise<RunId | undefined> =>
        (
          await engine.endSessions({
            scope: { kind: 'session', sessionId: one.id },
            reason: 'admin',
            by: { kind: 'admin', id: 'bench' },
            starter: { kind: 'none' },
            browser: 'absent'
          })
        ).ended[0]?.runId
    )
  )
  await Promise.all(started.map(async (id) => (id === undefined ? undefined : engine.waitFor(id, (run) => run.state === 'done', Date.now() + 60_000))))
  const perSecond = runs / ((performance.now() - startedMs) / 1000)
  await engine.stop()
  await store[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
  const octets = Buffer.alloc(700)
  const rawSign = rateOf(() => sign('sha256', octets, privateKey)).perCpuSecond
  // Two cores could sign so many runs, if signing were all there is to do.
  const ceiling = (2 * rawSign) / (2 * participants)
  return [
    'Complete logouts, 5 SOAP participants each, SQLite with synchronous=FULL (wall-clock, partners in this process)',
    `  ${`${runs} runs`.padEnd(44)} ${perSecond.toFixed(0).padStart(7)} per second, ${(perSecond / ceiling).toFixed(2)} of what signing alone allows on two cores`
  ]
}
