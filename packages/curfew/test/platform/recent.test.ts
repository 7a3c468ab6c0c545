import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createRecent } from '../../src/platform/recent.ts'

suite('Recent values', () => {
  test('one is made once while it is asked for, and never more than twice the bound are held', () => {
    const made: string[] = []
    const recent = createRecent<string>(3)
    const get = (key: string): string =>
      recent.get(key, () => {
        made.push(key)
        return `<${key}>`
      })
    for (const key of ['a', 'b', 'a', 'c', 'd', 'a', 'e', 'a']) assert.equal(get(key), `<${key}>`)
    assert.deepEqual(made, ['a', 'b', 'c', 'd', 'e'], 'a stays for as long as it is used')
    for (let i = 0; i < 7; i++) get(String(i))
    assert.equal(get('a'), '<a>')
    assert.equal(made.filter((key) => key === 'a').length, 2, 'and is forgotten when others took its place')
  })
})
