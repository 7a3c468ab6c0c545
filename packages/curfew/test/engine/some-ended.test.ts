import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { CurfewError, isCurfewError } from '@curfew/codecs'
import type { EndRequest } from '../../src/core/end-sessions.ts'
import { createGroupedEngine } from '../../src/engine/grouped-engine.ts'
import { someEndedOf } from '../../src/engine/some-ended.ts'
import { createMemoryStore, type MemoryStore } from '../../src/stores/memory/memory-store.ts'
import { storeError } from '../../src/stores/store-error.ts'
import { createEngineKit } from '../support/engine-kit.ts'

const request: EndRequest = {
  scope: { kind: 'user', userKey: 'local:ana' },
  reason: 'admin',
  by: { kind: 'admin', id: 'ops' },
  starter: { kind: 'none' },
  browser: 'absent'
}

/** A store with room for so many endings. */
function roomFor(room: { endings: number }): MemoryStore {
  const store = createMemoryStore({ capacity: 100 })
  return {
    ...store,
    async endSession(commit) {
      if (room.endings === 0) throw storeError('CURFEW_STORE_DISK_FULL', {})
      room.endings -= 1
      return store.endSession(commit)
    }
  }
}

/** Ana with two sessions. */
async function twoSessions(room: { endings: number }) {
  const kit = createEngineKit({ store: roomFor(room) })
  for (let i = 0; i < 2; i++) await kit.signIn(['payroll'])
  const live = async (): Promise<number> => (await kit.store.findByUser('local:ana')).length
  return { kit, live }
}

suite('engine: an ending that the store takes a part of', () => {
  test('says that some sessions have ended, and ends the others when it is asked again', async () => {
    const room = { endings: 1 }
    const { kit, live } = await twoSessions(room)
    await assert.rejects(kit.engine.endSessions(request), { code: 'CURFEW_SESSION_SOME_ENDED', context: { ended: 1, why: 'CURFEW_STORE_DISK_FULL' } })
    assert.equal(await live(), 1)
    room.endings = 1
    assert.equal((await kit.engine.endSessions(request)).ended.length, 1)
    assert.equal(await live(), 0)
  })

  test('says what the store said where none has ended', async () => {
    const { kit, live } = await twoSessions({ endings: 0 })
    await assert.rejects(kit.engine.endSessions(request), { code: 'CURFEW_STORE_DISK_FULL' })
    assert.equal(await live(), 2)
  })

  test('counts what has ended in another group', async () => {
    const here = await twoSessions({ endings: 0 })
    const there = await twoSessions({ endings: 2 })
    const notAsked = async (): Promise<never> => assert.fail('no run is asked for')
    const engine = createGroupedEngine(
      here.kit.engine,
      {
        others: ['west'],
        groupOf: () => undefined,
        onUnreached: () => assert.fail('it answers'),
        there: { end: async (_group, asked) => there.kit.engine.endSessions(asked), readRun: notAsked, apply: notAsked, retry: notAsked },
        store: here.kit.store
      },
      here.kit.clock
    )
    await assert.rejects(engine.endSessions(request), { code: 'CURFEW_SESSION_SOME_ENDED', context: { ended: 2, why: 'CURFEW_STORE_DISK_FULL' } })
    assert.deepEqual([await here.live(), await there.live()], [2, 0])
  })

  test('counts what has ended in every group, also in those that failed half-way', () => {
    const full = storeError('CURFEW_STORE_DISK_FULL', {})
    const some = (ended: number) => new CurfewError('CURFEW_SESSION_SOME_ENDED', { ended, why: 'CURFEW_STORE_UNREACHABLE' })
    const said = (failures: readonly unknown[], ended: number) => {
      const error = someEndedOf(failures, ended)
      return isCurfewError(error) ? [error.code, error.context['ended'], error.context['why']] : error
    }
    assert.deepEqual(said([full, some(2)], 0), ['CURFEW_SESSION_SOME_ENDED', 2, 'CURFEW_STORE_DISK_FULL'])
    assert.deepEqual(said([some(2), full], 3), ['CURFEW_SESSION_SOME_ENDED', 5, 'CURFEW_STORE_UNREACHABLE'])
    assert.deepEqual(said([full, full], 0), ['CURFEW_STORE_DISK_FULL', undefined, undefined])
  })
})
