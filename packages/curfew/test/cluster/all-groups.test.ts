import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { suite, test } from 'node:test'
import { CurfewError } from '@curfew/codecs'
import { createEverywhere } from '../../src/cluster/all-groups.ts'
import { createSessionsThere } from '../../src/cluster/session-calls.ts'
import { inStore } from '../../src/stores/everywhere.ts'
import { createMemoryStore } from '../../src/stores/memory/memory-store.ts'
import { berlin, nodeOf, paris, Wire } from './link-kit.ts'

suite('sessions of every group', () => {
  test('a store that fails while another group is asked fails the question, and nothing else', async () => {
    const unreachable = new CurfewError('CURFEW_STORE_UNREACHABLE', {})
    const store = createMemoryStore({ capacity: 100 })
    const wire = new Wire()
    const { links, clock } = nodeOf(wire, berlin, [paris], { store })
    wire.hang(() => true, clock)
    const fails = async (): Promise<never> => Promise.reject(unreachable)
    const local = inStore({ ...store, findByUser: fails, findByAddress: fails, findByNameId: fails, findByIndex: fails, listSessions: fails }, clock.nowMs)
    const everywhere = createEverywhere({ others: [paris], there: createSessionsThere(links), store, local, openIndex: () => undefined })
    const unhandled: unknown[] = []
    const note = (error: unknown): unknown => unhandled.push(error)
    process.on('unhandledRejection', note)
    try {
      const asked = [
        everywhere.byUser('form:ada'),
        everywhere.byName('payroll', 'ada'),
        everywhere.byIndex('payroll', 'index'),
        everywhere.byAddress('ada@example.org'),
        everywhere.live({ max: 10 }),
        everywhere.tally({})
      ]
      const answers = Promise.allSettled(asked)
      for (let turn = 0; turn < 5; turn++) await setImmediate()
      await clock.advance(20_000)
      for (const answer of await answers) assert.equal(answer.status === 'rejected' && answer.reason, unreachable)
      assert.deepEqual(unhandled, [])
    } finally {
      process.off('unhandledRejection', note)
    }
  })
})
