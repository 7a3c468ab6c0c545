import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { FaultCase } from '../cases.ts'
import { countOnce, type Counted } from '../crash/crash-judge.ts'
import type { Visit } from '../crash/visit.ts'
import { together, type Verdict } from '../judge.ts'
import { joined } from '../document.ts'
import { cellsOf, isGood, readCells } from '../table.ts'

const one: FaultCase = { id: 'crash', what: 'a crash', sees: 'nothing', play: async () => undefined }
const verdict: Verdict = {
  acknowledged: 100,
  lost: 1,
  degraded: 5,
  degradedLost: 2,
  accepted: 3,
  degradedAccepted: 4,
  openRuns: 6,
  waitMs: 1_500,
  refused: {}
}
const told = { outcomes: 35, tooGood: 1, unlike: 2, afterOutcome: 3, repeats: 4 }

suite('The table of faults', () => {
  for (const [name, given] of [
    ['of a fault of the store', verdict],
    ['of a crash, where applications keep journals', { ...verdict, told }],
    ['of a crash without anything amiss', { ...verdict, told: { ...told, unlike: 0 } }],
    ['without anything degraded', { ...verdict, degraded: 0, degradedLost: 0, degradedAccepted: 0 }]
  ] as const) {
    test(`a row ${name} is read as it was written, so that rounds are added to it`, () => {
      const read = readCells(cellsOf({ one, verdict: given, rounds: 7 }))
      assert.deepEqual(read, { verdict: given, rounds: 7 })
      const both = together([read.verdict, given])
      assert.equal(both.openRuns, 12)
      assert.doesNotMatch(cellsOf({ one, verdict: both, rounds: 14 }), /NaN/)
    })
  }

  test('rounds that were not held against journals are not added to those that were', () => {
    const row = { one, verdict: { ...verdict, told }, rounds: 2 }
    assert.equal(joined(cellsOf({ one, verdict, rounds: 7 }), row).rounds, 2)
    assert.equal(joined(cellsOf({ ...row, rounds: 7 }), row).rounds, 9)
    assert.equal(joined(cellsOf({ one, verdict, rounds: 7 }), { ...row, verdict }).rounds, 9)
    assert.equal(joined(undefined, row).rounds, 2)
  })

  test('a row that lost something, or left a run open, is not good', () => {
    const isTrue = { ...told, tooGood: 0, afterOutcome: 0 }
    const good = { ...verdict, lost: 0, accepted: 0, openRuns: 0, told: isTrue }
    assert.equal(isGood(one, good), true)
    const bad = [{ outcomes: 0 }, { tooGood: 1 }, { afterOutcome: 1 }].map((fault) => ({ told: { ...isTrue, ...fault } }))
    for (const fault of [{ lost: 1 }, { accepted: 1 }, { openRuns: 1 }, ...bad]) assert.equal(isGood(one, { ...good, ...fault }), false)
  })

  test('what is found of a visit in every round counts once, and what came to it counts then', () => {
    const counted: Counted = new Map()
    const visit: Visit = {
      user: 'ana',
      cookies: new Map(),
      session: undefined,
      nameId: { value: 'ana' },
      sessionIndex: '1',
      client: undefined,
      end: 'not-asked',
      way: undefined,
      saidSuccess: false
    }
    const found = (facts: number, lost: number) => ({ facts, lost, letIn: 0, openRuns: 0, told, faults: [] })
    const rounds = [found(2, 0), found(2, 1), found(2, 1), found(3, 1)].map((one) => countOnce(counted, visit, one))
    assert.deepEqual(
      rounds.map(({ facts, lost }) => [facts, lost]),
      [
        [2, 0],
        [0, 1],
        [0, 0],
        [1, 0]
      ]
    )
  })
})
