import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Store } from '../../packages/curfew/src/stores/store.ts'
import { simulate } from '../simulate.ts'

/** The first of these seeds that breaks a rule on a spoiled store. */
async function firstBroken(spoil: (store: Store) => Store, seeds: number): Promise<string | undefined> {
  for (let seed = 1; seed <= seeds; seed++) {
    const { broken } = await simulate({ seed, spoil })
    if (broken !== undefined) return broken
  }
  return undefined
}

function spoiled(store: Store, changes: Partial<Store>): Store {
  return new Proxy(store, { get: (target, name) => Reflect.get(changes, name) ?? (Reflect.get(target, name) as unknown) })
}

suite('Simulation of whole logouts', () => {
  test('the rules of the run hold for 150 seeds', async () => {
    for (let seed = 1; seed <= 150; seed++) {
      const { broken, trace } = await simulate({ seed })
      assert.equal(broken, undefined, `seed ${seed}: ${broken}\n${trace.join('\n')}`)
    }
  })

  test('one seed gives the same trace every time', async () => {
    const [first, second] = [await simulate({ seed: 77 }), await simulate({ seed: 77 })]
    assert.deepEqual(first, second)
  })

  test('a store that loses effects is found', async () => {
    const broken = await firstBroken((store) => spoiled(store, { endSession: (commit) => store.endSession({ ...commit, effects: [] }) }), 60)
    assert.match(broken ?? 'nothing found', /never ended/)
  })

  test('a store that forgets a delivery is found', async () => {
    const broken = await firstBroken(
      (store) =>
        spoiled(store, { endSession: (commit) => store.endSession({ ...commit, run: { ...commit.run, deliveries: commit.run.deliveries.slice(1) } }) }),
      60
    )
    assert.match(broken ?? 'nothing found', /exactly one delivery|never ended/)
  })

  test('an outcome that is better than the truth is found', async () => {
    const flatter = (store: Store): Store =>
      spoiled(store, {
        commitRun: (commit) =>
          store.commitRun({
            ...commit,
            run: {
              ...commit.run,
              deliveries: commit.run.deliveries.map((d) =>
                d.outcome?.kind === 'refused' ? { ...d, outcome: { kind: 'ended', proof: { kind: 'authenticated-2xx', hash: 'x' } } } : d
              )
            }
          })
      })
    assert.match((await firstBroken(flatter, 200)) ?? 'nothing found', /its own journal says it is not/)
  })

  test('a frame or picture that is called signed out is found, even where the client did end its session', async () => {
    const flatter = (store: Store): Store =>
      spoiled(store, {
        commitRun: (commit) =>
          store.commitRun({
            ...commit,
            run: {
              ...commit.run,
              deliveries: commit.run.deliveries.map((d) =>
                d.outcome?.kind === 'unconfirmed' && d.channels.every(({ kind }) => kind === 'frame') && ['wiki', 'chat'].includes(d.peerId)
                  ? { ...d, outcome: { kind: 'ended', proof: { kind: 'authenticated-2xx', hash: 'x' } } }
                  : d
              )
            }
          })
      })
    assert.match((await firstBroken(flatter, 200)) ?? 'nothing found', /only asked by a frame or a picture|its own journal says it is not/)
  })
})
