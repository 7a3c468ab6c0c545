/** Writes facts as fast as it can and tells on standard output, line by line, what was acknowledged. Ends by being killed. */
import { writeSync } from 'node:fs'
import { sampleEnd, sampleParticipant, sampleSession } from '../../src/stores/conformance/samples.ts'
import { openSqliteStore } from '../../src/stores/sqlite/sqlite-store.ts'

const [file = '', firstNumber = '0'] = process.argv.slice(2)
const store = await openSqliteStore({ file, capacity: 1_000_000 })
let next = Number(firstNumber)

const acknowledged = (what: 'opened' | 'added' | 'ended', n: number, detail = ''): void => {
  writeSync(1, `${what} ${n} ${detail}\n`)
}

async function lane(): Promise<never> {
  for (;;) {
    const n = next
    next += 1
    const session = sampleSession(n)
    await store.openSession(session)
    acknowledged('opened', n)
    const participants = [sampleParticipant('payroll', n), sampleParticipant('wiki', n)]
    for (const participant of participants) {
      await store.addParticipant(session.id, participant)
      acknowledged('added', n, participant.peerId)
    }
    if (n % 2 === 1) continue
    const result = await store.endSession(sampleEnd(n, session, participants, { expectedVersion: 3 }))
    if (result.value.kind === 'ended') acknowledged('ended', n)
  }
}

await Promise.all(Array.from({ length: 8 }, lane))
