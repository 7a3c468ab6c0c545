import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { TestResult } from '../../reporter.ts'
import { whyLeftOut } from '../left-out.ts'
import { type ModeResults, matrixPage } from '../page.ts'

const slo = 'packages/curfew/test/authority/saml-idp/slo.test.ts'

function result(name: string, outcome: TestResult['outcome'] = 'passed', file = slo): TestResult {
  return { name, file, outcome, ms: 1 }
}

function ran(mode: ModeResults['mode'], counted: readonly TestResult[], left: ModeResults['left'] = []): ModeResults {
  return { mode, files: [slo], since: '2026-11-27', versions: 'Node.js 26.10.0, Redis 8.2.1', counted, left }
}

suite('the page of the clustering matrix', () => {
  test('says for each feature what the replaced product does in the mode, and how many tests passed here', () => {
    const page = matrixPage([ran('adaptive', [result('answers a SOAP LogoutRequest'), result('goes through the browser')])], [slo])
    assert.match(page, /\| SAML single logout by SOAP \| \*\*no\*\* \/ 1 of 1 \|/)
    assert.match(page, /\| SAML single logout, front channel \| yes \/ 1 of 1 \|/)
  })

  test('shows a suite that did not pass whole, and modes that were not run', () => {
    const page = matrixPage([ran('shared', [result('one'), result('two', 'failed')]), ran('subclusters', [result('one')])], [slo])
    assert.match(page, /\| SAML identity provider \| \*\*1 of 2\*\* \| 1 of 1 \|/)
    assert.match(page, /not in the tables: one node, SQLite; state servers; adaptive; adaptive, two regions\./)
  })

  test('says when the tests of a mode ran, and with what', () => {
    assert.match(matrixPage([ran('shared', [])], [slo]), /^\| sharing all nodes \| .* \| 2026-11-27 \| Node\.js 26\.10\.0, Redis 8\.2\.1 \| 1 of 1 \|$/m)
  })

  test('says of which commits the results are, that of most of them first', () => {
    const at = (commit: string, n: number) => Array.from({ length: n }, (_, i) => ({ ...result(`${commit} ${i}`), commit }))
    assert.match(matrixPage([ran('shared', [...at('bbbbbbb', 1), ...at('aaaaaaa', 2)])], [slo]), /\| 2026-11-27, aaaaaaa, bbbbbbb \|/)
    const many = ['a', 'b', 'c', 'd', 'e', 'f'].flatMap((commit, i) => at(commit, 9 - i))
    assert.match(matrixPage([ran('shared', many)], [slo]), /\| 2026-11-27, a, b, c, d and 2 more \|/)
  })

  test('counts single logout by SOAP in the tests of single logout, not wherever the word stands', () => {
    const elsewhere = result('refuses an artifact by SOAP', 'failed', 'packages/curfew/test/authority/pingone/slo.test.ts')
    const page = matrixPage([ran('adaptive', [result('answers a SOAP LogoutRequest'), elsewhere])], [slo])
    assert.match(page, /\| SAML single logout by SOAP \| \*\*no\*\* \/ 1 of 1 \|/)
  })

  test('says of how many files the figure is where a suite was not run whole, and where none was run', () => {
    const page = matrixPage([ran('shared', [result('one')])], [slo, 'packages/curfew/test/authority/saml-idp/sso.test.ts'])
    assert.match(page, /\| SAML identity provider \| 1 of 1 in 1 of 2 files \|/)
    assert.match(page, /\| Shared signals \| not run \|/)
    assert.match(page, /\| revocation list \| all engines \/ no test \|/)
    assert.match(page, /\| 1 of 2 \|$/m)
  })

  test('gives the reason of what is left out, with the modes', () => {
    const page = matrixPage([ran('shared', []), ran('regions', [], [{ ...result('an odd one'), why: 'it can not be' }])], [slo])
    assert.match(page, /^- "an odd one" \(adaptive, two regions\): it can not be$/m)
  })

  test('a test is left out in the modes that its reason is about, and in no other', () => {
    const file = 'packages/curfew/test/authority/sign-on/sign-on.test.ts'
    assert.notEqual(whyLeftOut(file, 'lets parallel guesses not pass the limit', 'subclusters'), undefined)
    assert.equal(whyLeftOut(file, 'lets parallel guesses not pass the limit', 'adaptive'), undefined)
    assert.equal(whyLeftOut(file, 'opens one session when the form is sent twice at once', 'subclusters'), undefined)
  })
})
