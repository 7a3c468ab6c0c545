/**
 * A process with an engine on a real SQLite file, for crash-process.it.ts: ends one session, or goes on with what another
 * process left, and says on its output what came of it. Kills itself without any farewell where it is told to.
 */
import { appendFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SessionId } from '../../src/core/ids.ts'
import { createEngine } from '../../src/engine/engine.ts'
import type { SendRequest, SendResult } from '../../src/engine/sender.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { openSqliteStore } from '../../src/stores/sqlite/sqlite-store.ts'
import { byAdmin, createEngineKit, policy, required, signIn } from '../support/engine-kit.ts'
import { createMortal } from '../support/mortal.ts'
import { confirms, createScriptedSender } from '../support/scripted-sender.ts'

/** What the process says at its end. */
export interface Said {
  readonly calls: readonly string[]
  readonly session: SessionId
  readonly state: 'live' | 'ended'
  readonly run?: {
    readonly id: string
    readonly state: string
    readonly receipt?: string | undefined
    readonly outcomes: Readonly<Record<string, string | undefined>>
  }
}

const { values } = parseArgs({
  options: {
    file: { type: 'string' },
    partner: { type: 'string' },
    answered: { type: 'string' },
    session: { type: 'string' },
    call: { type: 'string' },
    phase: { type: 'string' }
  }
})
const store = await openSqliteStore({ file: required(values.file, '--file'), capacity: 1000 })

/** Asks the partner's server, as a sender of a protocol does. */
async function send(request: SendRequest): Promise<SendResult> {
  const { peerId } = request.delivery
  const answer = await fetch(`${values.partner}/${peerId}/${request.messageId}`, { method: 'POST' }).catch(() => undefined)
  return answer?.ok === true ? confirms(request) : { kind: 'failed', why: 'unreachable', code: 'CURFEW_OUTBOUND_UNREACHABLE', retryable: true }
}

const sender = { ...createScriptedSender(), newMessageId: () => `_${systemRandom.bytes(16).toHex()}`, send }
const kit = createEngineKit({
  deps: { store, clock: systemClock, random: systemRandom, senders: [sender], policy: { ...policy, retryBaseMs: 20, retryCapMs: 50 } }
})
const death =
  values.call === undefined ? undefined : { atCall: Number(values.call), phase: values.phase === 'before' ? ('before' as const) : ('after' as const) }
const session =
  (values.session as SessionId | undefined) ?? (await signIn({ store, clock: systemClock, random: systemRandom }, ['payroll', 'intranet', 'legacy'])).id
process.stdout.write(`${session}\n`)
const mortal = createMortal(kit.deps, death, () => process.kill(process.pid, 'SIGKILL'))
const engine = createEngine(mortal.deps)
await engine.start()
if (values.session === undefined) {
  const { ended } = await engine.endSessions(byAdmin(session))
  // Whoever asked has been told: from here on the run may not be lost.
  appendFileSync(required(values.answered, '--answered'), ended[0]?.runId ?? '')
}
for (;;) {
  const found = required(await store.getSession(session), 'the session')
  const run = found.end === undefined ? undefined : await store.getRun(found.end.runId)
  if (run?.receipt !== undefined || (found.end === undefined && values.session !== undefined)) {
    await engine.stop()
    const said: Said = {
      calls: [...mortal.calls],
      session,
      state: found.end === undefined ? 'live' : 'ended',
      ...(run === undefined
        ? {}
        : { run: { id: run.id, state: run.state, receipt: run.receipt, outcomes: Object.fromEntries(run.deliveries.map((d) => [d.peerId, d.outcome?.kind])) } })
    }
    process.stdout.write(`${JSON.stringify(said)}\n`)
    break
  }
  await sleep(10)
}
await store[Symbol.asyncDispose]()
