import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Store } from '../../packages/curfew/src/stores/store.ts'
import { judged } from '../kinds.ts'
import { race, type RaceOptions } from '../race.ts'

async function firstBroken(spoil: RaceOptions['spoil'], seeds: number, spoilRegistry?: RaceOptions['spoilRegistry']): Promise<string | undefined> {
  for (let seed = 1; seed <= seeds; seed++) {
    try {
      await race({ seed, ...(spoil === undefined ? {} : { spoil }), ...(spoilRegistry === undefined ? {} : { spoilRegistry }) })
    } catch (error) {
      return `seed ${seed}: ${(error as Error).message}`
    }
  }
  return undefined
}

function spoiled(store: Store, changes: Partial<Store>): Store {
  return new Proxy(store, { get: (target, name) => Reflect.get(changes, name) ?? (Reflect.get(target, name) as unknown) })
}

suite('Sign-ins that race a logout', () => {
  test('whatever was given out in a session that ended was told, and no application keeps one: 1,500 interleavings', async () => {
    assert.equal(await firstBroken(undefined, 1_500), undefined)
  })

  test('a store that takes participants into an ended session is found', async () => {
    const spoil = (store: Store): Store =>
      spoiled(store, {
        addParticipant: async (id, participant) => {
          const answer = await store.addParticipant(id, participant)
          return answer.value === 'ended' ? { ...answer, value: 'added' } : answer
        }
      })
    assert.match((await firstBroken(spoil, 2_000)) ?? 'nothing found', /nobody told it/)
  })

  test('an ending that does not look whether the session changed since it was planned is found', async () => {
    const spoil = (store: Store): Store =>
      spoiled(store, {
        endSession: async (commit) => {
          const session = await store.getSession(commit.sessionId)
          return store.endSession({ ...commit, expectedVersion: session?.version ?? commit.expectedVersion })
        }
      })
    assert.match((await firstBroken(spoil, 2_000)) ?? 'nothing found', /nobody told it/)
  })

  test('a token endpoint whose last look sees an old session is found', async () => {
    const spoil = (store: Store): Store =>
      spoiled(store, {
        getSession: async (id) => {
          const session = await store.getSession(id)
          if (session?.end === undefined) return session
          const { end: _end, ...before } = session
          return before
        }
      })
    assert.match((await firstBroken(spoil, 5_000)) ?? 'nothing found', /younger than the end|which ended|changed 10 times/)
  })

  test('an end of one session that takes a newer one of the same user along is found', async () => {
    const spoil = (store: Store): Store =>
      spoiled(store, {
        endSession: async (commit) => {
          const answer = await store.endSession(commit)
          for (const { id, version, end, createdAtMs } of await store.findByUser(commit.run.userKey)) {
            if (answer.value.kind !== 'ended' || end !== undefined || createdAtMs <= commit.end.atMs - 5_000) continue
            await store.endSession({
              ...commit,
              sessionId: id,
              expectedVersion: version,
              run: { ...commit.run, id: `${commit.run.id}b`, sessionId: id, deliveries: [] }
            })
          }
          return answer
        }
      })
    assert.match((await firstBroken(spoil, 2_000)) ?? 'nothing found', /was ended although nobody asked for it/)
  })

  test('an application that takes the end of one session for that of all of its user is found', async () => {
    const byName: RaceOptions['spoilRegistry'] = (registry) => ({
      ...registry,
      endBySubject: (subject, untilMs) => registry.endBySubject({ ...subject, sessionIndexes: [] }, untilMs)
    })
    assert.match((await firstBroken(undefined, 2_000, byName)) ?? 'nothing found', /lost its session from [\w-]+, which goes on/)
  })

  test('a seed that breaks a rule tells what happened, step by step', async () => {
    const takesAll = (store: Store): Store =>
      spoiled(store, {
        addParticipant: async (id, participant) => {
          const answer = await store.addParticipant(id, participant)
          return answer.value === 'ended' ? { ...answer, value: 'added' } : answer
        }
      })
    for (let seed = 1; seed <= 2_000; seed++) {
      const { broken, trace } = await judged((traced) => race({ seed, spoil: takesAll, ...traced }))
      if (broken === undefined) continue
      assert.match(trace.join('\n'), /addParticipant ses_\w+: added/)
      assert.match(trace.join('\n'), /endSession ses_\w+: ended/)
      assert.equal(trace.at(-1), `BROKEN: ${broken}`)
      return
    }
    assert.fail('nothing found')
  })
})
