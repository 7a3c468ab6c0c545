import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import {
  changelogProblems,
  codeProblems,
  deadFileProblems,
  designProblems,
  errorPageProblems,
  fileBytesMax,
  linkProblems,
  sizeProblems,
  wordProblems
} from '../house-rules.ts'

const source = 'packages/curfew/src/engine/loop.ts'
const page = (code: string, ...titles: readonly string[]): string => `# ${code}\n\n${titles.map((title) => `## ${title}\n\nText.\n\n`).join('')}`

suite('House rules', () => {
  // Planted in two parts, so that the rules pass over this file.
  for (const line of [
    `// ${'TO'}DO: later`,
    `test.${'on'}ly('x', () => {})`,
    `const path = '/${'tmp'}/x'`,
    `const host = 'registry.${'npmjs'}.org'`,
    `// @ts-${'ig'}nore`,
    'const at = Date.now()',
    'const at = new Date()',
    `import { randomBytes } from 'node:crypto'`,
    'const answer = await fetch(url)'
  ])
    test(`refuses: ${line}`, () => assert.equal(wordProblems(new Map([[source, `const before = 1\n${line}\n`]])).length, 1))

  for (const line of ['const at = clock.nowMs()', 'const at = new Date(atMs)', 'await store.fetch(id)', 'const isTodo = true', `join(tmpdir(), 'x')`])
    test(`lets pass: ${line}`, () => assert.deepEqual(wordProblems(new Map([[source, line]])), []))

  test('only platform and the command line may look at the clock', () => {
    const at = (path: string): number => wordProblems(new Map([[path, 'Date.now()']])).length
    assert.deepEqual(
      ['packages/curfew/src/platform/clock.ts', 'packages/curfew/src/cli/a.ts', 'packages/curfew/test/a.test.ts', 'packages/sdk/src/a.ts'].map(at),
      [0, 0, 0, 1]
    )
  })

  test('a file at the limit of size passes, one byte more does not', () => {
    assert.deepEqual(sizeProblems(new Map([['a.png', fileBytesMax]])), [])
    assert.equal(sizeProblems(new Map([['a.png', fileBytesMax + 1]])).length, 1)
  })

  test('a folder of the product without its DESIGN.md is found', () => {
    assert.deepEqual(designProblems([source]), ['packages/curfew/src/engine has no DESIGN.md'])
    assert.deepEqual(designProblems([source, 'packages/curfew/src/engine/DESIGN.md']), [])
  })

  test('codes and pages are held against each other, and a page says cause, check and fix', () => {
    const pages = new Map([
      ['docs/reference/errors/CURFEW_A_B.md', page('CURFEW_A_B', 'Cause', 'Check', 'Fix')],
      ['docs/reference/errors/CURFEW_A_OLD.md', page('CURFEW_A_OLD', 'Cause', 'Check', 'Fix')],
      ['docs/reference/errors/CURFEW_A_C.md', page('CURFEW_A_OTHER', 'Cause', 'Check')]
    ])
    assert.deepEqual(errorPageProblems(new Set(['CURFEW_A_B', 'CURFEW_A_C', 'CURFEW_A_NEW']), pages), [
      'CURFEW_A_NEW has no page in docs/reference/errors/',
      'docs/reference/errors/CURFEW_A_OLD.md is the page of no code',
      'docs/reference/errors/CURFEW_A_C.md has nothing under "Fix"',
      'docs/reference/errors/CURFEW_A_C.md does not begin with its code'
    ])
  })

  test('codes that only one side knows are found', () => {
    const text = `throw new CurfewError('CURFEW_RUN_STRANGE')\nthrow new CurfewError('CURFEW_RUN_KNOWN')`
    assert.deepEqual(codeProblems(new Set(['CURFEW_RUN_KNOWN', 'CURFEW_RUN_IDLE']), new Map([[source, text]])), [
      `${source} uses CURFEW_RUN_STRANGE, which no catalogue knows`,
      'CURFEW_RUN_IDLE is in a catalogue and nothing uses it'
    ])
  })

  test('a source that nothing imports is dead; entries and workers are not', () => {
    const sources = new Map([
      ['packages/curfew/src/cli/main.ts', `import { a } from '../engine/used.ts'`],
      ['packages/curfew/src/engine/used.ts', `new Worker(new URL('./thread.ts', import.meta.url))`],
      ['packages/curfew/src/engine/thread.ts', ''],
      [source, '']
    ])
    assert.deepEqual(deadFileProblems(sources), [`${source} is imported by nothing`])
  })

  test('a changelog has versions, and groups in their order', () => {
    assert.deepEqual(changelogProblems('# Changelog\n\n## 1.2.3, 2026-11-24\n\n### Security\n\n- x\n\n### Features\n\n- y\n'), [])
    assert.equal(changelogProblems('# Changelog\n\n## Soon\n\n### Features\n\n- y\n').length, 1)
    assert.equal(changelogProblems('# Changelog\n\n## 1.2.3\n\n### Features\n\n### Security\n').length, 1)
    assert.equal(changelogProblems('# Changelog\n').length, 1)
  })

  test('a link between documents leads somewhere; addresses and examples in code are left alone', () => {
    const text = '[a](b.md) [c](../d.md#e) [f](https://x.example) [g](#h)\n```\n[i](j.md)\n```\n'
    assert.deepEqual(
      linkProblems(new Map([['docs/a.md', text]]), (path) => path === 'docs/b.md'),
      ['docs/a.md links to ../d.md, which is not there']
    )
  })
})
