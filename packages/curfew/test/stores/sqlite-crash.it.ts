import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { sampleSession, t0 } from '../../src/stores/conformance/samples.ts'
import { openSqliteStore } from '../../src/stores/sqlite/sqlite-store.ts'
import type { Store } from '../../src/stores/store.ts'

const rounds = 20
const capacity = 1_000_000

suite('kill -9 of the embedded store', () => {
  test('loses nothing that was acknowledged and leaves nothing half written', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'curfew-crash-'))
    const file = join(folder, 'curfew.db')
    try {
      let all = 0
      for (let round = 0; round < rounds; round += 1) {
        const lines = await writeUntilKilled(file, round * 100_000, randomInt(1, 80))
        assert.ok(lines.length > 0)
        all += lines.length
        const store = await openSqliteStore({ file, capacity })
        try {
          for (const line of lines) await checkAcknowledged(store, line)
          await checkWhole(store, t0 + round * 100_000)
        } finally {
          await store[Symbol.asyncDispose]()
        }
      }
      assert.ok(all > rounds * 10, `only ${all} facts were acknowledged`)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

/** Returns what the child said was acknowledged before it was killed, `afterMs` after its first line. */
async function writeUntilKilled(file: string, firstNumber: number, afterMs: number): Promise<readonly string[]> {
  const script = fileURLToPath(new URL('crash-child.ts', import.meta.url))
  const child = spawn(process.execPath, [script, file, String(firstNumber)], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  let said = ''
  const begun = Promise.withResolvers<void>()
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
    begun.resolve()
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  await Promise.race([begun.promise, ended])
  await pause(afterMs)
  child.kill('SIGKILL')
  await ended
  return said.split('\n').slice(0, -1)
}

async function checkAcknowledged(store: Store, line: string): Promise<void> {
  const [what, number, peerId = ''] = line.split(' ')
  const n = Number(number)
  const session = await store.getSession(sampleSession(n).id)
  assert.ok(session !== undefined, `${line} is lost`)
  if (what === 'ended') assert.equal(session.end?.runId, `run_${n}`, `${line} is lost`)
  if (what !== 'added') return
  const participants = await store.getParticipants(session.id)
  assert.ok(
    participants.some((participant) => participant.peerId === peerId),
    `${line} is lost`
  )
}

/** An ending is there with everything that belongs to it, or not at all; counts fit the rows. */
async function checkWhole(store: Store, sinceMs: number): Promise<void> {
  let cursor: string | undefined
  do {
    const page = await store.listSessions({
      limit: 500,
      nowMs: t0,
      sinceMs,
      ...(cursor !== undefined && { cursor })
    })
    for (const { session, participants } of page.items) {
      const n = session.createdAtMs - t0
      const run = await store.getRun(`run_${n}`)
      assert.equal(run !== undefined, session.end !== undefined)
      assert.equal(await store.isRevoked(session.sri, t0), session.end !== undefined)
      if (run !== undefined) assert.deepEqual(run.deliveries.map(({ peerId }) => peerId).sort(), participants.map(({ peerId }) => peerId).sort())
      assert.equal(session.version, 1 + participants.length + (session.end === undefined ? 0 : 1))
    }
    cursor = page.nextCursor
  } while (cursor !== undefined)
  const { liveSessions, openRuns, pendingEffects } = await store.describe()
  assert.equal(pendingEffects, openRuns * 2)
  assert.equal(liveSessions, await countLive(store))
}

async function countLive(store: Store): Promise<number> {
  let count = 0
  let cursor: string | undefined
  do {
    const page = await store.listSessions({
      limit: 5000,
      nowMs: t0,
      state: 'live',
      ...(cursor !== undefined && { cursor })
    })
    count += page.items.length
    cursor = page.nextCursor
  } while (cursor !== undefined)
  return count
}
