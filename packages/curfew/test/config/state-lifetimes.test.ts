import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { attributeMinutesOf } from '../../src/config/sessions-schema.ts'
import { configSchema } from '../../src/config/schema.ts'

const sessions = (change: object): ReturnType<typeof configSchema.shape.sessions.safeParse> =>
  configSchema.shape.sessions.safeParse({ secretFile: 'session.secret', ...change })

suite('Lifetimes of state', () => {
  test('AC-196 transaction state stays for 30 minutes, attribute state for 1440, unless something else is said', () => {
    const { data = assert.fail() } = sessions({})
    assert.deepEqual([data.transactionMinutes, attributeMinutesOf(data), data.registryMinutes], [30, 1_440, 1_440])
    assert.equal(attributeMinutesOf(sessions({ registryMinutes: 2_880 }).data ?? assert.fail()), 2_880)
  })

  test('AC-196 attribute state that would expire before the registry is refused', () => {
    const refused = (change: object): readonly string[] => sessions(change).error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) ?? []
    assert.deepEqual(refused({ attributeMinutes: 1_440 }), [])
    assert.match(refused({ attributeMinutes: 1_439 }).join(), /^attributeMinutes: attributeMinutes must not be shorter than registryMinutes/)
    assert.match(refused({ registryMinutes: 1_441, attributeMinutes: 1_440 }).join(), /^attributeMinutes: /)
    assert.deepEqual(refused({ registryMinutes: 60, attributeMinutes: 60 }), [])
  })
})
