import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { isCurfewError } from '@curfew/codecs'
import fc from 'fast-check'
import { fieldOf, type JsonTree, readJson } from '../../../src/config/imports/json-tree.ts'

/** The values alone, as `JSON.parse` has them. */
function valueOf(tree: JsonTree): unknown {
  if (tree.kind === 'scalar') return tree.value
  if (tree.kind === 'list') return tree.items.map(valueOf)
  return Object.fromEntries(tree.fields.map(({ name, value }) => [name, valueOf(value)]))
}

function faultOf(text: string): string {
  try {
    readJson('a.json', text)
  } catch (error) {
    if (isCurfewError(error) && error.code === 'CURFEW_IMPORT_JSON') return String(error.context['why'])
    throw error
  }
  return assert.fail(`read: ${text}`)
}

suite('JSON with the lines that its values begin in', () => {
  test('AC-120 every value is read as JSON.parse reads it, however it is laid out', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 4 }), fc.constantFrom(undefined, 2, '\t'), (text, space) => {
        const value: unknown = JSON.parse(text)
        assert.deepEqual(valueOf(readJson('a.json', JSON.stringify(value, null, space))), JSON.parse(JSON.stringify(value)))
      })
    )
  })

  test('AC-120 what JSON.parse refuses is refused', () => {
    const pieces = ['{', '}', '[', ']', ',', ':', '"a"', '1', '01', '-', 'true', 'tru', '"\\x"', '"', ' ', '\n', "'"]
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 8 }), (some) => {
        const text = some.join('')
        try {
          JSON.parse(text)
        } catch {
          assert.match(faultOf(text), /^line \d+: /)
          return
        }
        assert.deepEqual(valueOf(readJson('a.json', text)), JSON.parse(text))
      })
    )
  })

  test('AC-120 a field knows its line, and the last of two counts', () => {
    const tree = readJson('a.json', '\uFEFF{\r\n "a": 1,\n "b": [\n  {"c": 2}],\n "a": 3}')
    assert.ok(tree.kind === 'object')
    assert.deepEqual(
      tree.fields.map(({ name, line }) => [name, line]),
      [
        ['a', 2],
        ['b', 3],
        ['a', 5]
      ]
    )
    const last = fieldOf(tree, 'a')
    assert.ok(last?.kind === 'scalar' && last.value === 3)
  })

  test('AC-120 an error names the line and what is missing, never what stands there', () => {
    assert.equal(faultOf('{\n "a": "hunter2"\n "b": 1}'), 'line 3: } is missing')
    assert.equal(faultOf('{\n "a": hunter2}'), 'line 2: there is no value of JSON here')
    assert.equal(faultOf('{\n "a": [1,\n'), 'line 3: the file ends too early')
    assert.equal(faultOf('{}\n{}'), 'line 2: there is more after its end')
    assert.equal(faultOf('<html>'), 'line 1: this is not JSON')
    assert.equal(faultOf(''), 'line 1: the file ends too early')
    assert.equal(faultOf('['.repeat(100_000)), 'line 1: it is nested more than 1000 times')
  })
})
