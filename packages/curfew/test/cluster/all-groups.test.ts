import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { suite, test } from 'node:test'
import { CurfewError } from '@curfew/codecs'
import { createEverywhere } from '../../src/cluster/all-groups.ts'
import { createSessionsThere, serveSessions } from '../../src/cluster/session-calls.ts'
import { sampleSession } from '../../src/stores/conformance/samples.ts'
import { inStore } from '../../src/stores/everywhere.ts'
import { createMemoryStore } from '../../src/stores/memory/memory-store.ts'
import { berlin, nodeOf, paris, Wire } from './link-kit.ts'

suite('sessions of every group', () => {
  test('asked for certain users, another group names theirs alone', async () => {
    const wire = new Wire()
    const here = nodeOf(wire, berlin, [paris])
    const there = nodeOf(wire, paris, [berlin])
    const nowMs = there.clock.nowMs()
    for (const [i, userKey] of ['local:ana', 'idp:ana'].entries())
      await there.store.openSession(
        sampleSession(i, { userKey, username: 'ana', createdAtMs: nowMs, expiresAtMs: nowMs + 60_000, idleExpiresAtMs: nowMs + 60_000 })
      )
    const endSessions = async (): Promise<never> => assert.fail('nothing ends')
    const runs = { apply: async () => undefined, retry: async () => undefined }
    serveSessions(there.links, { ...runs, store: there.store, clock: there.clock, local: inStore(there.store, there.clock.nowMs), endSessions })
    const asked = createSessionsThere(here.links)
    const userKeys = ['local:ana']
    const found = await asked.live(paris.id, { username: 'ana', userKeys, max: 10 })
    assert.deepEqual(
      found.map(({ session }) => session.userKey),
      userKeys
    )
    assert.equal((await asked.tally(paris.id, { username: 'ana', userKeys })).sessions, 1)
    assert.equal((await asked.tally(paris.id, { username: 'ana' })).sessions, 2)
  })

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
