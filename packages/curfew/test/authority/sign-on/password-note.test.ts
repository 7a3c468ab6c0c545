import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { noteChange, noteOf, type PasswordNoteDeps, validFrom } from '../../../src/authority/sign-on/password-note.ts'
import type { User } from '../../../src/authority/sign-on/user-directory.ts'
import { createMemoryStore, type StoreWrite } from '../../../src/stores/memory/memory-store.ts'
import { createFakeClock, startMs } from '../fake-clock.ts'

const hourMs = 3_600_000

/** Somebody of a directory that says this of the last change. */
function told(passwordChangedAtMs: number): User {
  const name = { userKey: 'staff:dora', username: 'Dora', directory: 'staff', attributes: {} } as const
  return { ...name, isDisabled: false, canChangePassword: true, passwordChangedAtMs }
}

/** Where the writes with these numbers are made, and said not to be. */
function world(lost: readonly number[] = []): PasswordNoteDeps {
  let writes = 0
  const fault = (_call: StoreWrite, phase: 'before' | 'after') => {
    if (phase === 'before') return undefined
    writes += 1
    return lost.includes(writes) ? new Error('not copied') : undefined
  }
  return { store: createMemoryStore({ capacity: 10, fault }), clock: createFakeClock() }
}

suite('What is remembered of a change of a password', () => {
  const [before, keeps, ends] = [startMs - hourMs, { atMs: startMs + 300, endsSessions: false }, { atMs: startMs + 300, endsSessions: true }]

  test('a second change within the second is known by its time: a reset that follows ends what the first one kept', async () => {
    const deps = world()
    await (await noteChange(deps, told(before), keeps)).settle(told(startMs))
    await (await noteChange(deps, told(startMs), { ...keeps, atMs: startMs + 900 })).settle(told(startMs))
    assert.equal(await validFrom(deps, told(startMs)), before, 'as the person wanted')
    assert.equal(await validFrom(deps, told(startMs + 60_000)), startMs + 60_000)
  })

  test('a second change within the second that ends sessions ends them also where nothing was read after it', async () => {
    const deps = world()
    await (await noteChange(deps, told(before), keeps)).settle(told(startMs))
    await noteChange(deps, told(startMs), { ...ends, atMs: startMs + 900 })
    assert.equal(await validFrom(deps, told(startMs)), startMs + 900)
  })

  test('a copy that is behind settles nothing, and says what counted before', async () => {
    const deps = world()
    await (await noteChange(deps, told(before), ends)).settle(told(before))
    assert.equal((await noteOf(deps, 'staff:dora'))?.changedAtMs, undefined)
    assert.equal(await validFrom(deps, told(before)), before)
  })

  for (const apartMs of [-120_000, 0, 120_000]) {
    test(`a time that could not be read right after the change is taken for it ${apartMs} ms away, once`, async () => {
      const deps = world()
      await noteChange(deps, told(before), keeps)
      assert.equal(await validFrom(deps, told(keeps.atMs + apartMs)), before)
      assert.equal(await validFrom(deps, told(keeps.atMs + apartMs + 1_000)), keeps.atMs + apartMs + 1_000)
    })
  }

  for (const apartMs of [-120_001, 120_001, 2 * hourMs]) {
    test(`a reset ${apartMs} ms away from a change of which nothing was read ends the sessions from before`, async () => {
      const deps = world()
      await noteChange(deps, told(before), keeps)
      assert.equal(await validFrom(deps, told(keeps.atMs + apartMs)), keeps.atMs + apartMs)
    })
  }

  test('a change that could not be remembered was not made, and leaves nothing that a reset is taken for', async () => {
    for (const lost of [[1], [1, 2]]) {
      const deps = world(lost)
      await assert.rejects(noteChange(deps, told(before), keeps), { message: 'not copied' })
      assert.equal(await noteOf(deps, 'staff:dora'), undefined)
      assert.equal(await validFrom(deps, told(startMs + 60_000)), startMs + 60_000)
    }
    const deps = world([3])
    await (await noteChange(deps, told(before), keeps)).settle(told(startMs))
    await assert.rejects(noteChange(deps, told(startMs), { ...ends, atMs: startMs + 60_000 }))
    assert.equal(await validFrom(deps, told(startMs)), before, 'the change before it counts as it did')
  })
})
