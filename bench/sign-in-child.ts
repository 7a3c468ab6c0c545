import { generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import { sampleParticipant, sampleSession } from '../packages/curfew/src/stores/conformance/samples.ts'
import { openStore } from './redis-store.ts'

/** What the process reports of a round. */
export interface SignIns {
  readonly count: number
  readonly cpuSeconds: number
}

const callers = 32
const peers = ['payroll', 'intranet', 'wiki'] as const

/**
 * One process on a store that others share: signs people in until the time is over, each to three applications, with an
 * RSA-2048 signature for each, as an assertion has.
 */
const store = await openStore({ socket: process.argv[2] ?? '' })
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const assertion = Buffer.alloc(2_000, 'a')
process.on('message', (spanMs: number) => void round(spanMs).then((signIns) => process.send?.(signIns)))
process.on('disconnect', () => void store[Symbol.asyncDispose]().then(() => process.exit()))
process.send?.('ready')

async function round(spanMs: number): Promise<SignIns> {
  const before = process.cpuUsage()
  const untilMs = performance.now() + spanMs
  let count = 0
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (performance.now() < untilMs) {
        await signIn(randomUUID())
        count += 1
      }
    })
  )
  const { user, system } = process.cpuUsage(before)
  return { count, cpuSeconds: (user + system) / 1e6 }
}

async function signIn(name: string): Promise<void> {
  const nowMs = Date.now()
  const times = { createdAtMs: nowMs, authenticatedAtMs: nowMs, lastActivityAtMs: nowMs, idleExpiresAtMs: nowMs + 3_600_000, expiresAtMs: nowMs + 28_800_000 }
  const id = `ses_0${name.replaceAll('-', '').slice(0, 24)}` as const
  await store.openSession({ ...sampleSession(1, { ...times, username: name, userKey: `form:${name}`, tokenHash: name, sri: name }), id: id as never })
  for (const peerId of peers) {
    await store.addParticipant(id as never, sampleParticipant(peerId, 1, { nameId: { value: name }, sessionIndex: `${peerId} ${name}` as never }))
    sign('sha256', assertion, privateKey)
  }
}
