import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { importsOf, layerOf, layerProblems } from '../layers.ts'

/** How many problems one planted file has. */
function problemsOf(path: string, text: string): number {
  return layerProblems(new Map([[path, text]])).length
}

suite('Layers', () => {
  test('a file belongs to the layer with the longest folder', () => {
    assert.deepEqual(
      ['stores/store.ts', 'stores/sqlite/writer.ts', 'authority/saml-idp/sso.ts', 'index.ts'].map((path) => layerOf(`packages/curfew/src/${path}`)),
      ['stores', 'sqlite', 'authority', 'entry']
    )
    assert.equal(layerOf('packages/curfew/test/core/step.test.ts'), undefined)
  })

  test('every way to import is seen, with its line and whether it is a type only', () => {
    const text = `import { a } from './a.ts'
import type { B } from './b.ts'
import { type C, type D } from './c.ts'
import { type E, f } from './d.ts'
export * from './e.ts'
import './f.ts'
import {
  g
} from './g.ts'
const h = await import('./h.ts')
const i = new Worker(new URL('./i.ts', import.meta.url))
`
    assert.deepEqual(
      importsOf(text)
        .map(({ target, isType, line }) => [target, isType, line])
        .sort(),
      [
        ['./a.ts', false, 1],
        ['./b.ts', true, 2],
        ['./c.ts', true, 3],
        ['./d.ts', false, 4],
        ['./e.ts', false, 5],
        ['./f.ts', false, 6],
        ['./g.ts', false, 7],
        ['./h.ts', false, 10],
        ['./i.ts', false, 11]
      ]
    )
  })

  test('a type passes where only types may', () => {
    const path = 'packages/curfew/src/engine/loop.ts'
    assert.equal(problemsOf(path, `import type { Store } from '../stores/store.ts'\n`), 0)
    assert.equal(problemsOf(path, `import { Store } from '../stores/store.ts'\n`), 1)
  })

  test('the implementation of a store is seen by no surface, not even its types', () => {
    assert.equal(problemsOf('packages/curfew/src/authority/sign-on/form.ts', `import type { Rows } from '../../stores/sqlite/rows.ts'\n`), 1)
    assert.equal(problemsOf('packages/curfew/src/cli/compose.ts', `import { open } from '../stores/sqlite/sqlite-store.ts'\n`), 0)
  })

  test('packages import each other by name, not by path', () => {
    assert.equal(problemsOf('packages/sdk/src/guard.ts', `import { verify } from '../../codecs/src/index.ts'\n`), 1)
    assert.equal(problemsOf('packages/sdk/src/guard.ts', `import { verify } from '@curfew/codecs'\n`), 0)
    assert.equal(problemsOf('demo/payroll/app.ts', `import { guardNode } from '../../packages/sdk/src/index.ts'\n`), 1)
  })

  test('a library that is not listed is refused where the list is closed', () => {
    assert.equal(problemsOf('packages/codecs/src/saml/a.ts', `import { z } from 'zod'\n`), 1)
    assert.equal(problemsOf('packages/codecs/src/saml/a.ts', `import { readFileSync } from 'node:fs'\n`), 1)
    assert.equal(problemsOf('packages/curfew/src/core/a.ts', `import { CurfewError } from '@curfew/codecs'\n`), 1)
    assert.equal(problemsOf('packages/curfew/src/authority/a.ts', `import { request } from 'undici'\n`), 1)
    assert.equal(problemsOf('packages/curfew/src/platform/a.ts', `import { request } from 'undici'\n`), 0)
  })
})
