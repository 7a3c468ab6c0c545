import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import type { Participant } from '../../src/core/participant.ts'
import { hourMs, sampleParticipant, sampleSession, t0 } from '../../src/stores/conformance/samples.ts'
import { joinActivity } from '../../src/stores/activity.ts'
import { joinParticipant, tombstoneUntilMs } from '../../src/stores/facts.ts'
import { createMemoryStore } from '../../src/stores/memory/memory-store.ts'

/** A fact about one of three participants: what differs between two issues to the same one. */
const fact: fc.Arbitrary<Participant> = fc
  .record({
    peer: fc.constantFrom('payroll', 'wiki', 'intranet'),
    at: fc.integer({ min: 0, max: 5 }),
    until: fc.integer({ min: 0, max: 5 }),
    address: fc.constantFrom('a', 'b', undefined)
  })
  .map(({ peer, at, until, address }) => {
    const { consumerUrl: _, ...bare } = sampleParticipant(peer, 1)
    return {
      ...bare,
      addedAtMs: t0 + at,
      lastIssuedAtMs: t0 + at,
      assertionNotOnOrAfterMs: t0 + until,
      ...(address !== undefined && { consumerUrl: address })
    }
  })

suite('facts about participants', () => {
  test('any order and any repetition of the same facts gives the same state', async () => {
    const plan = fc
      .array(fact, { minLength: 1, maxLength: 12 })
      .chain((facts) => fc.tuple(fc.constant(facts), fc.shuffledSubarray([...facts, ...facts], { minLength: facts.length * 2 })))
    await fc.assert(
      fc.asyncProperty(plan, async ([facts, shuffled]) => {
        assert.deepEqual(await stateAfter(shuffled), await stateAfter(facts))
      }),
      { numRuns: 300 }
    )
  })

  test('joining is commutative, associative and idempotent', () => {
    const sameOne = fc.tuple(fact, fact, fact).map((facts) => facts.map((p): Participant => ({ ...p, id: 'x:0', peerId: 'x' })))
    fc.assert(
      fc.property(sameOne, ([a, b, c]) => {
        assert.ok(a !== undefined && b !== undefined && c !== undefined)
        const same = { sessionIndex: 'i', nameId: { value: 'n' } }
        const [x, y, z] = [
          { ...a, ...same },
          { ...b, ...same },
          { ...c, ...same }
        ]
        assert.deepEqual(joinParticipant(x, y), joinParticipant(y, x))
        assert.deepEqual(joinParticipant(joinParticipant(x, y), z), joinParticipant(x, joinParticipant(y, z)))
        assert.equal(joinParticipant(x, x), x)
      })
    )
  })
})

suite('facts about activity', () => {
  test('never move back, never pass the absolute limit, in any order', () => {
    const activity = fc.record({ lastActivityAtMs: fc.nat(100), idleExpiresAtMs: fc.nat(200) })
    fc.assert(
      fc.property(activity, activity, fc.integer({ min: 100, max: 150 }), (a, b, limit) => {
        const start = { lastActivityAtMs: 0, idleExpiresAtMs: 10 }
        const ab = joinActivity(joinActivity(start, a, limit), b, limit)
        assert.deepEqual(ab, joinActivity(joinActivity(start, b, limit), a, limit))
        assert.ok(ab.idleExpiresAtMs <= limit && ab.idleExpiresAtMs >= 10)
      })
    )
  })
})

suite('keeping of ended sessions', () => {
  test('outlasts the original expiry, the revocation and every assertion', () => {
    const session = sampleSession(0)
    assert.equal(tombstoneUntilMs(session, t0, t0 + 1, []), session.expiresAtMs)
    assert.equal(tombstoneUntilMs(session, t0, t0 + 9 * hourMs, []), t0 + 9 * hourMs)
    const late = sampleParticipant('payroll', 0, { assertionNotOnOrAfterMs: t0 + 10 * hourMs })
    assert.equal(tombstoneUntilMs(session, t0, t0 + 9 * hourMs, [late]), t0 + 10 * hourMs)
    const endless = { ...session, expiresAtMs: Number.MAX_SAFE_INTEGER }
    assert.equal(tombstoneUntilMs(endless, t0, t0 + 1, []), t0 + 1)
  })
})

async function stateAfter(facts: readonly Participant[]): Promise<readonly Participant[]> {
  const store = createMemoryStore({ capacity: 1 })
  const session = sampleSession(1)
  await store.openSession(session)
  for (const each of facts) await store.addParticipant(session.id, each)
  return store.getParticipants(session.id)
}
