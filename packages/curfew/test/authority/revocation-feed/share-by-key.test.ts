import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { shareByKey } from '../../../src/authority/revocation-feed/share-by-key.ts'

/** Work that ends when it is told to. */
function stage() {
  const begun: { readonly key: string; readonly end: PromiseWithResolvers<number> }[] = []
  const ask = shareByKey((key: string) => {
    const end = Promise.withResolvers<number>()
    begun.push({ key, end })
    return end.promise
  })
  return { ask, begun, end: (i: number) => begun[i]?.end.resolve(i), keys: () => begun.map(({ key }) => key).join(' ') }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

suite('Work that is shared by those who ask for the same', () => {
  test('who asks while it is done shares the next, and only that is done for all of them', async () => {
    const { ask, end, keys } = stage()
    const first = ask('a')
    const later = Promise.all(Array.from({ length: 100 }, () => ask('a')))
    await turn()
    assert.equal(keys(), 'a')
    end(0)
    assert.equal(await first, 0)
    await turn()
    assert.equal(keys(), 'a a')
    const last = ask('a')
    end(1)
    assert.deepEqual(new Set(await later), new Set([1]))
    await turn()
    end(2)
    assert.equal(await last, 2)
    void ask('a')
    assert.equal(keys(), 'a a a a', 'and begins at once when nothing is under way')
  })

  test('other keys do not wait', () => {
    const { ask, keys } = stage()
    for (const key of ['a', 'b', 'a']) void ask(key)
    assert.equal(keys(), 'a b')
  })

  test('a failure is of those who shared it', async () => {
    const { ask, begun, end } = stage()
    const first = ask('a')
    const second = ask('a')
    begun[0]?.end.reject(new Error('the store is away'))
    await assert.rejects(first, /away/)
    await turn()
    end(1)
    assert.equal(await second, 1)
  })
})
