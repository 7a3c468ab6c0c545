import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { buryLateTokens, isBuried } from '../../../src/authority/saml/tombstone.ts'
import { createMemoryStore } from '../../../src/stores/memory/memory-store.ts'
import { createFakeClock } from '../fake-clock.ts'

function createPlace() {
  const clock = createFakeClock()
  const ctx = { store: createMemoryStore({ capacity: 10 }), clock, saml: { clockSkewSeconds: 60 } as never }
  const startMs = clock.nowMs()
  const bury = (atMs: number) => buryLateTokens(ctx, 'social', { subject: 'ana', issuedAtMs: startMs + atMs })
  const covers = (atMs: number) =>
    isBuried(ctx, { providerId: 'social', protocol: 'oidc', nameId: { value: 'ana' }, sessionIndex: 'any', issuedAtMs: startMs + atMs })
  return { bury, covers, clock }
}

suite('Logouts that overtake a sign-in', () => {
  test('of any number within minutes the newest counts', async () => {
    const { bury, covers } = createPlace()
    for (let n = 1; n <= 40; n++) {
      await bury(n * 1_000)
      assert.deepEqual([await covers(n * 1_000), await covers(n * 1_000 + 1)], [true, false], `${n}`)
    }
    assert.equal(await covers(1_000), true)
  })

  test('they may come in another order', async () => {
    const { bury, covers } = createPlace()
    for (let n = 40; n >= 1; n--) await bury(n * 1_000)
    assert.deepEqual([await covers(40_000), await covers(40_001)], [true, false])
  })

  test('and from many nodes at once', async () => {
    const { bury, covers } = createPlace()
    for (let n = 1; n <= 16; n++) await bury(n)
    await Promise.all(Array.from({ length: 12 }, (_, n) => bury(1_000 + n)))
    assert.deepEqual([await covers(1_011), await covers(1_012)], [true, false])
  })

  test('one that ran out makes room', async () => {
    const { bury, covers, clock } = createPlace()
    for (let n = 1; n <= 16; n++) await bury(n)
    clock.advance(3_600_000)
    assert.equal(await covers(1), false)
    await bury(3_600_000)
    assert.equal(await covers(3_600_000), true)
  })
})
