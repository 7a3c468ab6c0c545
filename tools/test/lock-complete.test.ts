import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { acceptanceRows } from '../acceptance.ts'
import { lockProblems } from '../lock-complete.ts'

suite('Lock file', () => {
  test('a platform package that was not resolved is found', () => {
    const packages = { 'node_modules/tool': { optionalDependencies: { 'tool-linux': '1.0.0', 'tool-darwin': '1.0.0' } }, 'node_modules/tool-linux': {} }
    assert.deepEqual(lockProblems({ packages }), ['node_modules/tool wants tool-darwin, which the lock file does not hold'])
  })
  test('addresses and install scripts are found, links of the workspace are not', () => {
    const packages = {
      'node_modules/a': { resolved: 'https://somewhere.example/a.tgz' },
      'node_modules/own': { resolved: 'packages/own', link: true },
      'node_modules/b': { hasInstallScript: true }
    }
    assert.equal(lockProblems({ packages }).length, 2)
  })
})

suite('Acceptance report', () => {
  const table =
    '| id | behaviour | source |\n| --- | --- | --- |\n| AC-001 | one | S0 |\n| AC-002 | two | S0 |\n| AC-003 | three | S0 |\n| AC-004 | four | S0 |\n'
  test('a row is covered by passing tests, failing by one that fails, missing without any', () => {
    const results = [
      { name: 'AC-001 does it', file: '', outcome: 'passed', ms: 1 },
      { name: 'AC-002 AC-001 does both', file: '', outcome: 'failed', ms: 1 },
      { name: 'AC-003 is not run', file: '', outcome: 'skipped', ms: 1 },
      { name: 'AC-0044 is another', file: '', outcome: 'passed', ms: 1 }
    ] as const
    assert.deepEqual(
      acceptanceRows(table, results).map(({ id, state }) => [id, state]),
      [
        ['AC-001', 'failing'],
        ['AC-002', 'failing'],
        ['AC-003', 'missing'],
        ['AC-004', 'missing']
      ]
    )
  })
})
