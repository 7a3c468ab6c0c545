import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createMemorySessionRegistry, createSessionGuard, registryConformance, type SessionRegistry } from '../src/index.ts'

const nowMs = Date.parse('2026-03-01T09:00:00Z')

function guarded(): SessionRegistry {
  const timer = { cancel: () => undefined }
  return createSessionGuard({
    sessions: createMemorySessionRegistry(),
    nowMs: () => nowMs,
    randomBytes: (count) => Buffer.alloc(count),
    after: () => timer
  }).sessions
}

for (const [name, create] of Object.entries({ 'Memory registry': createMemorySessionRegistry, 'Registry of a session guard': guarded })) {
  suite(`${name}: what every registry does`, () => {
    for (const check of registryConformance({ create: () => create(), nowMs })) test(check.name, check.run)
  })
}

type Spoil = (registry: SessionRegistry) => Partial<SessionRegistry>

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
      const create = (): SessionRegistry => {
        const registry = createMemorySessionRegistry()
        return { ...registry, ...spoil(registry) }
      }
      const results = await Promise.allSettled(registryConformance({ create, nowMs }).map(({ run }) => run()))
      assert.ok(results.some(({ status }) => status === 'rejected'))
    })
  }
})
