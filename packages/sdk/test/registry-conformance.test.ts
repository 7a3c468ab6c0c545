import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createMemorySessionRegistry, createSessionGuard, registryConformance, type SessionRegistry } from '../src/index.ts'

const nowMs = Date.parse('2026-03-01T09:00:00Z')

const memory = (room?: number): SessionRegistry => createMemorySessionRegistry(room === undefined ? {} : { spareValuesMax: room, endedMarksMax: room })

function guarded(room?: number): SessionRegistry {
  const timer = { cancel: () => undefined }
  return createSessionGuard({
    sessions: memory(room),
    nowMs: () => nowMs,
    randomBytes: (count) => Buffer.alloc(count),
    after: () => timer
  }).sessions
}

for (const [name, create] of Object.entries({ 'Memory registry': memory, 'Registry of a session guard': guarded })) {
  suite(`${name}: what every registry does`, () => {
    for (const check of registryConformance({ create: () => create(), createSmall: create, nowMs })) test(check.name, check.run)
  })
}

type Spoil = (registry: SessionRegistry) => Partial<SessionRegistry>

const roomOfFaulty = 32

/** Registries with one fault each, as one of somebody's own may have. */
const faults: Readonly<Record<string, Spoil>> = {
  'forgets nothing in time': (registry) => ({ get: (id) => registry.get(id, 0) }),
  'says that it ended what was not there': (registry) => ({ end: async (id) => registry.end(id).then(() => true) }),
  'ends every session of a name where indexes are given': (registry) => ({
    endBySubject: (subject, untilMs) => registry.endBySubject({ ...subject, ...(subject.nameId === undefined ? {} : { sessionIndexes: [] }) }, untilMs)
  }),
  'looks at the format where it must not': (registry) => ({
    endBySubject: (subject, untilMs) => registry.endBySubject({ ...subject, isAnyFormat: false }, untilMs)
  }),
  'leaves no tombstone': () => ({ isEnded: async () => false }),
  'has a tombstone for every sign-in': (registry) => ({
    endBySubject: ({ issuedUntilMs: _, ...subject }, untilMs) => registry.endBySubject(subject, untilMs)
  }),
  'spares nothing': (registry) => ({
    endBySubject: ({ sparesIssuedAfterMs: _, ...subject }, untilMs) => registry.endBySubject(subject, untilMs)
  }),
  'leaves no tombstone of an SRI': (registry) => ({ endListed: (list) => registry.endListed(list) }),
  'leaves a tombstone for every page of the feed': (registry) => ({
    endListed: (list, tombstone) => registry.endListed(list, tombstone ?? { untilMs: nowMs + 60_000, issuedUntilMs: nowMs })
  }),
  'does not look at the SRI of a sign-in': (registry) => ({ isEnded: ({ sri: _, ...subject }, atMs) => registry.isEnded(subject, atMs) }),
  'ends one session of a page': (registry) => ({ endListed: async (list) => (await registry.endListed(list)).slice(0, 1) }),
  'remembers without looking first': (registry) => ({
    async remember(key, ...parts) {
      const isKnown = await registry.isRemembered(key, parts[2])
      await new Promise(setImmediate)
      await registry.remember(key, ...parts)
      return !isKnown
    }
  }),
  'gives a value twice': (registry) => ({
    async take(key, atMs) {
      const value = await registry.take(key, atMs)
      if (value !== undefined) await registry.remember(key, value, atMs + 1_000, atMs)
      return value
    }
  }),
  'lets what ends last give way, not what came first': (registry) => {
    const kept: { readonly key: string; readonly untilMs: number }[] = []
    return {
      async remember(key, value, untilMs, ...more) {
        const isFirst = await registry.remember(key, value, untilMs, ...more)
        if (isFirst && more[1] !== undefined) kept.push({ key, untilMs })
        kept.sort((a, b) => b.untilMs - a.untilMs)
        const [over] = kept.splice(roomOfFaulty)
        if (over !== undefined) await registry.take(over.key, 0)
        return isFirst
      }
    }
  },
  'keeps marks where it keeps sign-ins': (registry) => ({
    remember: (key, value, untilMs, atMs, keep) => registry.remember(key, value, untilMs, atMs, keep === undefined ? undefined : 'if-room')
  }),
  'leaves the tombstone after the answer': (registry) => ({
    async endBySubject(subject, untilMs) {
      const ended = await registry.endBySubject(subject, 0)
      await new Promise(setImmediate)
      await registry.endBySubject({ ...subject, sparesIssuedAfterMs: 0 }, untilMs)
      return ended
    },
    async open(session) {
      await new Promise(setImmediate)
      await registry.open(session)
    }
  })
}

suite('Registry conformance', () => {
  for (const [name, spoil] of Object.entries(faults)) {
    test(`finds a registry that ${name}`, async () => {
      const create = (room?: number): SessionRegistry => {
        const registry = memory(room)
        return { ...registry, ...spoil(registry) }
      }
      const results = await Promise.allSettled(registryConformance({ create, createSmall: create, nowMs }).map(({ run }) => run()))
      assert.ok(results.some(({ status }) => status === 'rejected'))
    })
  }
})
