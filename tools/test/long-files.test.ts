import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { longestFirst, longFiles } from '../long-files.ts'

suite('Order of the integration tests', () => {
  test('long files come first, in the order of the list, the others by name', () => {
    const [first = '', second = ''] = longFiles
    assert.deepEqual(longestFirst(['z.it.ts', second, 'a.it.ts', first]), [first, second, 'a.it.ts', 'z.it.ts'])
  })

  test('every file of the list is there', () => {
    assert.deepEqual(
      longFiles.filter((file) => !existsSync(join(import.meta.dirname, '../..', file))),
      []
    )
  })
})
