import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createAsker } from '../../src/cluster/ask-groups.ts'
import type { Group } from '../../src/core/group.ts'
import { createFakeClock } from '../support/fake-clock.ts'
import { berlin, paris } from './link-kit.ts'

const rome: Group = { id: 'rome', letter: 'c', links: [] }
const groups = [berlin, paris, rome]
const deps = () => ({ clock: createFakeClock(), logger: { debug() {} } })

suite('asking groups at once', () => {
  test('one that does not answer delays nothing that another one has', async () => {
    const silence = Promise.withResolvers<boolean>()
    const ask = createAsker(deps(), { isAtOnce: true })
    assert.equal(await ask('key', groups, async (group) => (group === 'paris' ? true : silence.promise)), true)
    silence.resolve(false)
  })

  test('what all of them do not have is not asked for again at once; where one did not answer, it is', async () => {
    const ask = createAsker(deps(), { isAtOnce: true })
    const asked: string[] = []
    const question = async (group: string): Promise<boolean> => {
      asked.push(group)
      if (group === 'rome' && asked.length <= groups.length) throw new Error('away')
      return false
    }
    for (const times of [1, 2, 2]) {
      assert.equal(await ask('key', groups, question), false)
      assert.equal(asked.length, times * groups.length)
    }
  })
})
