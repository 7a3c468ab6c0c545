import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { configSchema } from '../../src/config/schema.ts'
import { createEngineKit } from '../support/engine-kit.ts'

suite('engine: how long the registry remembers', () => {
  test('AC-014 what was issued is found for the configured time after the end, and forgotten after it', async () => {
    const dayMs = 1_440 * 60_000
    // A session that would have ended by itself within hours: only the setting keeps it so long.
    const kit = createEngineKit({ deps: { registryMs: dayMs } })
    const session = await kit.signIn(['payroll'])
    const [participant] = await kit.store.getParticipants(session.id)
    await kit.end(session.id)
    const find = async (): Promise<string | undefined> => (await kit.store.findByIndex('payroll', participant?.sessionIndex ?? ''))?.session.id
    await kit.store.purge(kit.clock.nowMs() + dayMs - 1, 0, 1_000)
    assert.equal(await find(), session.id)
    await kit.store.purge(kit.clock.nowMs() + dayMs + 1, 0, 1_000)
    assert.equal(await find(), undefined)
  })

  test('AC-014 the time is 1440 minutes unless configured', () => {
    const { registryMinutes } = configSchema.shape.sessions.parse({ secretFile: 'x' })
    assert.equal(registryMinutes, 1_440)
    assert.equal(configSchema.shape.sessions.parse({ secretFile: 'x', registryMinutes: 5 }).registryMinutes, 5)
  })
})
