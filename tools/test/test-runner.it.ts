import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, suite, test } from 'node:test'
import type { TestResult } from '../reporter.ts'
import { runFailedAgain, runTests, type Selection, summary } from '../test.ts'

const folder = mkdtempSync(join(tmpdir(), 'curfew-runner-'))

after(() => rmSync(folder, { recursive: true, force: true }))

/** Runs the tests of a planted repository. */
function run(name: string, files: Readonly<Record<string, string>>, selection: Partial<Selection> = {}): Promise<readonly TestResult[]> {
  const root = join(folder, name)
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return runTests({ root, filters: [], ...selection })
}

const head = `import { before, suite, test } from 'node:test'\n`
const file = (body: string): string => `${head}${body}`
const outcomes = (results: readonly TestResult[]): readonly string[] => results.map(({ name, outcome }) => `${outcome}: ${name}`).toSorted()

suite('Test runner', () => {
  test('unit and integration tests run, each result has its file from the root', async () => {
    const results = await run('both', {
      'packages/a/test/deep/one.test.ts': file(`suite('s', () => { test('AC-001 one', () => {}) })`),
      'packages/a/test/two.it.ts': file(`test('two', () => {})`),
      'packages/a/test/support/helper.ts': `throw new Error('is no test')`
    })
    assert.deepEqual(
      results.map(({ name, file: at, outcome }) => [name, at, outcome]),
      [
        ['AC-001 one', 'packages/a/test/deep/one.test.ts', 'passed'],
        ['two', 'packages/a/test/two.it.ts', 'passed']
      ]
    )
    assert.equal(summary(results).at(-1), '2 passed, 0 failed')
  })

  test('the tables of truth run when they are asked for, and only then', async () => {
    const files = { 'packages/a/test/one.test.ts': file(`test('one', () => {})`), 'packages/a/test/all.truth.ts': file(`test('cell', () => {})`) }
    assert.deepEqual(outcomes(await run('everything', files)), ['passed: one'])
    assert.deepEqual(outcomes(await run('truth', files, { tier: 'truth' })), ['passed: cell'])
  })

  test('a suite that is left out is reported with its reason, as is a test', async () => {
    const results = await run('skips', {
      'packages/a/test/a.it.ts': file(
        `suite('journeys', { skip: 'no Chromium' }, () => { test('inner', () => {}) })\ntest('oracle', { skip: 'no xmlsec1' }, () => {})\ntest('good', () => {})`
      )
    })
    assert.deepEqual(outcomes(results), ['passed: good', 'skipped: journeys', 'skipped: oracle'])
    assert.deepEqual(summary(results), ['skipped  no Chromium: journeys', 'skipped  no xmlsec1: oracle', '1 passed, 0 failed, 2 skipped'])
  })

  test('failures of tests, of hooks, of loading, of asynchronous leftovers and of whole processes all count', async () => {
    const results = await run('failures', {
      'packages/a/test/assertion.it.ts': file(`test('wrong', () => { throw new Error('x') })`),
      'packages/a/test/hook.it.ts': file(`suite('hooked', () => { before(() => { throw new Error('x') }); test('inner', () => {}) })`),
      'packages/a/test/load.it.ts': `import './nowhere.ts'`,
      'packages/a/test/exit.it.ts': file(`test('leaves', () => { process.exit(9) })`),
      'packages/a/test/late.it.ts': file(
        `test('leftover', async () => { void Promise.reject(new Error('late')); await new Promise((r) => setTimeout(r, 50)) })`
      )
    })
    const failed = new Set(results.filter(({ outcome }) => outcome === 'failed').map(({ file: at }) => at))
    assert.deepEqual(
      [...failed].toSorted(),
      ['assertion', 'exit', 'hook', 'late', 'load'].map((name) => `packages/a/test/${name}.it.ts`)
    )
    assert.match(summary(results).at(-1) ?? '', /^\d+ passed, [5-9] failed$/)
  })

  test('what failed beside others and passes alone is unsteady; what fails again has failed; the unit tier gets one try', async () => {
    const root = join(folder, 'again')
    const once = (name: string): string =>
      file(
        `import { existsSync, writeFileSync } from 'node:fs'\ntest('${name}', () => { const was = existsSync('${root}/was-${name}'); writeFileSync('${root}/was-${name}', ''); if (!was) throw new Error('port taken') })\ntest('beside ${name}', () => {})`
      )
    const first = await run('again', {
      'packages/a/test/once.it.ts': once('once'),
      'packages/a/test/always.it.ts': file(`test('always', () => { throw new Error('x') })`),
      'packages/a/test/pure.test.ts': once('pure')
    })
    const results = await runFailedAgain(root, first)
    assert.deepEqual(outcomes(first), ['failed: always', 'failed: once', 'failed: pure', 'passed: beside once', 'passed: beside pure'])
    assert.deepEqual(outcomes(results), ['failed: always', 'failed: pure', 'passed: beside once', 'passed: beside pure', 'passed: once'])
    assert.deepEqual(summary(results).slice(-2), [
      'UNSTEADY once  packages/a/test/once.it.ts: failed beside others (port taken), passed alone',
      '3 passed, 2 failed, 1 unsteady'
    ])
  })

  test('the second try has the seed of the first', async () => {
    const root = join(folder, 'seed')
    const first = await run('seed', {
      'packages/a/test/seed.it.ts': `${head}
import { appendFileSync } from 'node:fs'
test('seed', () => {
  appendFileSync('seeds', process.env.CURFEW_SEED + ' ')
  throw new Error('x')
})`
    })
    await runFailedAgain(root, first)
    assert.match(readFileSync(join(root, 'seeds'), 'utf8'), /^(\d+) \1 $/)
  })

  test('a unit tier that ends in the middle is a failure', async () => {
    const results = await run('dead', { 'packages/a/test/a.test.ts': file(`test('leaves', () => { process.exit(0) })`) })
    assert.deepEqual(
      results.map(({ outcome }) => outcome),
      ['failed']
    )
  })

  test('a filter picks files by a part of their names', async () => {
    const files = { 'packages/a/test/apple.test.ts': file(`test('apple', () => {})`), 'packages/a/test/pear.test.ts': file(`test('pear', () => {})`) }
    assert.deepEqual(outcomes(await run('filter', files, { filters: ['pear'] })), ['passed: pear'])
    assert.deepEqual(outcomes(await run('filter', files, { filters: ['plum'] })), [])
    assert.deepEqual(summary([]), ['No test fits.', '0 passed, 0 failed'])
  })
})
