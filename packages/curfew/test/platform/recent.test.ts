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
  test('what is kept is found until others took its place', () => {
    const recent = createRecent<number>(2)
    assert.equal(recent.find('a'), undefined)
    recent.keep('a', 1)
    for (const key of ['b', 'c']) recent.keep(key, 2)
    assert.equal(recent.find('a'), 1)
    for (const key of ['d', 'e', 'f', 'g']) recent.keep(key, 3)
    assert.equal(recent.find('a'), undefined)
  })
})
