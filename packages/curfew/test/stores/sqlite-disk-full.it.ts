import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { sampleEnd, sampleParticipant, sampleSession, t0 } from '../../src/stores/conformance/samples.ts'
import type { Answer, Command, CommandName, Commands } from '../../src/stores/sqlite/command.ts'
import { type Database, openDatabase, prepare } from '../../src/stores/sqlite/driver.ts'
import { openGroupCommit } from '../../src/stores/sqlite/group-commit.ts'
import { openHandlers } from '../../src/stores/sqlite/handlers.ts'
import { migrate, prepareFile } from '../../src/stores/sqlite/schema.ts'
import { openTally } from '../../src/stores/sqlite/tally.ts'

/** A writer whose file may not grow past a number of pages, and whose reserve is room for more. */
interface SmallDisk {
  readonly db: Database
  /** Lets somebody make room, or fill it. */
  setRoom(pages: number): void
  readonly isReserveHeld: () => boolean
  ask<N extends CommandName>(name: N, input: Commands[N]['input']): Commands[N]['result'] | string
  commit(commands: readonly Command[]): readonly Answer[]
}

const reservePages = 400

function openSmallDisk(file: string): SmallDisk {
  const db = openDatabase(file, { timeout: 0 })
  prepareFile(db, file)
  migrate(db, file)
  const tally = openTally(db)
  let room = prepare<{ page_count: number }>(db, 'PRAGMA page_count').get()?.page_count ?? 0
  let held = true
  const setRoom = (pages: number): void => {
    room = pages
    db.exec(`PRAGMA max_page_count = ${room}`)
  }
  setRoom(room + 10)
  const used = (): number => prepare<{ page_count: number }>(db, 'PRAGMA page_count').get()?.page_count ?? 0
  const reserve = {
    held: () => held,
    release() {
      held = false
      db.exec(`PRAGMA max_page_count = ${room + reservePages}`)
    },
    refill() {
      if (!held && room - used() >= 2 * reservePages) {
        held = true
        db.exec(`PRAGMA max_page_count = ${room}`)
      }
      return held
    }
  }
  const commit = openGroupCommit({ db, file, tally, reserve, carryOut: openHandlers(db, 100_000, tally) })
  const commitAll = (commands: readonly Command[]): readonly Answer[] =>
    [...commit(commands.map((command, number) => ({ number, command })))].sort((a, b) => a.number - b.number)
  return {
    db,
    setRoom,
    isReserveHeld: () => held,
    commit: commitAll,
    ask<N extends CommandName>(name: N, input: Commands[N]['input']) {
      const [answer] = commitAll([{ name, input } as Command])
      assert.ok(answer !== undefined)
      return 'error' in answer ? answer.error.code : (answer.value as Commands[N]['result'])
    }
  }
}

suite('a full disk', () => {
  test('refuses new sign-ins, still ends sessions, and recovers when there is room', () => {
    const folder = mkdtempSync(join(tmpdir(), 'curfew-full-'))
    const disk = openSmallDisk(join(folder, 'curfew.db'))
    try {
      let n = 0
      while (disk.ask('openSession', sampleSession(n)) === 'opened') n += 1
      assert.ok(n > 5)
      assert.equal(disk.isReserveHeld(), false)
      assert.equal(disk.ask('openSession', sampleSession(n)), 'CURFEW_STORE_DISK_FULL')
      assert.equal(
        disk.ask('addParticipant', {
          sessionId: sampleSession(0).id,
          participant: sampleParticipant('payroll', 0)
        }),
        'CURFEW_STORE_DISK_FULL'
      )

      for (let i = 0; i < n; i += 1) assert.deepEqual(disk.ask('endSession', sampleEnd(i, sampleSession(i))), { kind: 'ended' })
      assert.equal(disk.ask('replaySeen', { issuer: 'a', id: 'b', untilMs: t0 + 1, nowMs: t0 }), 'fresh')
      assert.equal(disk.ask('txCreate', { key: 'back', json: '1', untilMs: t0 }), 'created')

      disk.setRoom(100_000)
      assert.equal(disk.ask('openSession', sampleSession(n)), 'opened')
      assert.equal(disk.isReserveHeld(), true)
    } finally {
      disk.db.close()
      rmSync(folder, { recursive: true })
    }
  })

  test('carries out the endings of the group in which the room ran out', () => {
    const folder = mkdtempSync(join(tmpdir(), 'curfew-full-'))
    const disk = openSmallDisk(join(folder, 'curfew.db'))
    try {
      assert.equal(disk.ask('openSession', sampleSession(0)), 'opened')
      const flood = Array.from({ length: 200 }, (_, i): Command => ({ name: 'openSession', input: sampleSession(i + 1) }))
      const answers = disk.commit([...flood, { name: 'endSession', input: sampleEnd(0, sampleSession(0)) }])
      assert.deepEqual(answers.at(-1), { number: 200, value: { kind: 'ended' } })
      for (const answer of answers.slice(0, -1)) assert.equal('error' in answer && answer.error.code, 'CURFEW_STORE_DISK_FULL')
      assert.equal(prepare<{ value: number }>(disk.db, 'SELECT value FROM tally').get()?.value, 0)
      assert.equal(prepare<{ n: number }>(disk.db, 'SELECT count(*) AS n FROM session').get()?.n, 1)
    } finally {
      disk.db.close()
      rmSync(folder, { recursive: true })
    }
  })

  test('keeps sign-in pages from using up the room that logouts need', () => {
    const folder = mkdtempSync(join(tmpdir(), 'curfew-full-'))
    const disk = openSmallDisk(join(folder, 'curfew.db'))
    try {
      let n = 0
      while (disk.ask('openSession', sampleSession(n)) === 'opened') n += 1
      const pages = Array.from({ length: 10_050 }, (_, i): Command => ({ name: 'txCreate', input: { key: `k${i}`, json: '1', untilMs: t0 } }))
      const refused = disk.commit(pages).filter((answer) => 'error' in answer)
      assert.equal(refused.length, 50)
      assert.deepEqual(disk.ask('endSession', sampleEnd(0, sampleSession(0))), { kind: 'ended' })
    } finally {
      disk.db.close()
      rmSync(folder, { recursive: true })
    }
  })
})
