import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Fact } from '../fact.ts'
import type { Artifact } from '../store.ts'
import { factsOf, known, sampleReplication } from './carry.ts'
import type { OpenStore } from './harness.ts'
import { hourMs, sampleParticipant, sampleRun, sampleSession, t0 } from './samples.ts'

/** Facts of two regions about the same things, with every kind of tie and conflict. */
function pool(): readonly Fact[] {
  const facts: Fact[] = []
  for (const n of [1, 2]) {
    const session = sampleSession(n)
    const sessionId = session.id
    facts.push({ kind: 'opened', service: 'sessions', session })
    for (const [i, group] of ['a', 'c', 'a'].entries()) {
      const participant = { ...sampleParticipant('payroll', n), lastIssuedAtMs: t0 + (i % 2), assertionNotOnOrAfterMs: t0 + i, group }
      facts.push({ kind: 'participant', service: 'sessions', sessionId, participant })
    }
    facts.push({ kind: 'participant', service: 'sessions', sessionId, participant: { ...sampleParticipant('wiki', n), group: 'c' } })
    for (const at of [1, 3, 2]) facts.push({ kind: 'active', service: 'sessions', sessionId, lastActivityAtMs: t0 + at, idleExpiresAtMs: t0 + at + 9 * hourMs })
    for (const at of [2, 1]) {
      const renewal = { tokenHash: `new-${n}-${at}`, persistent: false, authenticatedAtMs: t0 + 100 + at }
      facts.push({ kind: 'renewed', service: 'sessions', sessionId, renewal })
    }
    for (const [group, at] of [
      ['a', 7],
      ['c', 6],
      ['c', 7]
    ] as const) {
      const end = { atMs: t0 + at, reason: 'user', by: { kind: 'user', id: 'ana' }, runId: `run_${group}${n}` } as const
      if (n === 1) facts.push({ kind: 'ended', service: 'sessions', sessionId, group, end, keptUntilMs: t0 + at, known: [] })
    }
    for (const version of [1, 3, 2]) facts.push({ kind: 'run', service: 'sessions', run: sampleRun(n, session, [], { version }) })
  }
  for (const until of [2, 1]) facts.push({ kind: 'replay', service: 'assertionReplay', issuer: 'i', id: 'x', untilMs: t0 + until })
  for (const [origin, number] of [
    ['a', 1],
    ['a', 3],
    ['c', 2]
  ] as const) {
    facts.push({ kind: 'failed-sign-in', service: 'accountLocking', userKey: 'form:ana', origin, number, atMs: t0 + number, untilMs: t0 + hourMs })
  }
  for (const upTo of [{ a: 2 }, { c: 2, a: 1 }]) facts.push({ kind: 'sign-ins-cleared', service: 'accountLocking', userKey: 'form:ana', upTo, untilMs: t0 })
  const token = (id: string, more: Partial<Artifact>): Artifact => ({ kind: 'token', id, untilMs: t0 + hourMs, value: 1, ...more })
  for (const [version, value, consumedAtMs] of [
    [1, 'z', undefined],
    [2, 'b', undefined],
    [2, 'c', undefined],
    [1, 'z', t0 + 3],
    [1, 'z', t0 + 2]
  ] as const) {
    facts.push({
      kind: 'artifact',
      service: 'referenceTokens',
      version,
      artifact: token('t', { value, ...(consumedAtMs === undefined ? {} : { consumedAtMs }) })
    })
  }
  facts.push({ kind: 'artifact', service: 'referenceTokens', version: 1, artifact: token('u', { grantId: 'g' }) })
  facts.push({ kind: 'artifact', service: 'referenceTokens', version: 1, artifact: token('v', {}) })
  facts.push({ kind: 'grant-dropped', service: 'referenceTokens', grantId: 'g', untilMs: t0 })
  facts.push({ kind: 'artifact-dropped', service: 'referenceTokens', of: 'token', id: 'v', untilMs: t0 })
  facts.push({ kind: 'transaction', service: 'transactions', key: 'k', value: 1, untilMs: t0 + hourMs })
  facts.push({ kind: 'transaction', service: 'transactions', key: 'l', value: 1, untilMs: t0 + hourMs })
  facts.push({ kind: 'transaction-taken', service: 'transactions', key: 'k', untilMs: t0 + hourMs })
  for (const until of [5, 9]) facts.push({ kind: 'revoked', service: 'revocations', sri: 's', untilMs: t0 + until, atMs: t0 })
  return facts
}

const rounds = 12

/** Invariant 4: any permutation, repetition and grouping of the same facts gives the same state. */
export function factOrderTests(open: OpenStore): void {
  for (let seed = 1; seed <= rounds; seed += 1) {
    test(`any order, repetition and grouping of the same facts ends the same (seed ${seed})`, async () => {
      const next = numbers(seed)
      const plain = pool()
      const [first, second] = [await open(1000, sampleReplication('b')), await open(1000, sampleReplication('b'))]
      try {
        await factsOf(first.store).apply({ source: 'a', facts: plain, nowMs: t0 })
        const mixed = shuffled([...plain, ...plain.filter(() => next() < 0.5)], next)
        while (mixed.length > 0) {
          await factsOf(second.store).apply({ source: 'a', facts: mixed.splice(0, 1 + Math.floor(next() * 6)), nowMs: t0 })
        }
        assert.deepEqual(await known(second.store), await known(first.store))
        assert.equal(await first.store.countLiveSessions(), 1)
        assert.equal(await second.store.countLiveSessions(), 1)
        assert.deepEqual(await factsOf(first.store).late(10), [])
      } finally {
        await Promise.all([first.close(), second.close()])
      }
    })
  }
}

function shuffled(facts: readonly Fact[], next: () => number): Fact[] {
  return facts
    .map((fact) => ({ fact, at: next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ fact }) => fact)
}

/** Numbers in [0, 1) from a seed. */
function numbers(seed: number): () => number {
  let state = seed * 2_654_435_761
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 2_246_822_519) + 3_266_489_917) >>> 0
    return state / 4_294_967_296
  }
}
