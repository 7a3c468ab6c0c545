import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { readProperties } from '../../../src/config/imports/properties.ts'

const pairs = (text: string): readonly (readonly [string, string, number])[] => readProperties(text).map(({ key, value, line }) => [key, value, line] as const)

suite('Files of properties', () => {
  test('keys end at =, : or white space; comments and empty lines are no entries', () => {
    assert.deepEqual(pairs('# one\n! two\n\na=1\n b : 2\r\nc 3\nd\ne = \n'), [
      ['a', '1', 4],
      ['b', '2', 5],
      ['c', '3', 6],
      ['d', '', 7],
      ['e', '', 8]
    ])
  })

  test('a backslash joins lines and takes the meaning of what follows it', () => {
    assert.deepEqual(pairs('hosts=a[7600],\\\n   b[7600]\nnext=1'), [
      ['hosts', 'a[7600],b[7600]', 1],
      ['next', '1', 3]
    ])
    assert.deepEqual(pairs(String.raw`a\=b\ c=x\ty\u00e4\\` + '\nd=1'), [
      ['a=b c', 'x\tyä\\', 1],
      ['d', '1', 2]
    ])
  })

  test('a value may have every separator in it', () => {
    assert.deepEqual(pairs('a=b=c: d'), [['a', 'b=c: d', 1]])
  })

  test('no entry of a long file is left out', () => {
    const text = Array.from({ length: 5_000 }, (_, i) => `key${i}=${i}`).join('\n')
    assert.deepEqual(pairs(text).at(-1), ['key4999', '4999', 5_000])
    assert.equal(pairs(text).length, 5_000)
  })
})
