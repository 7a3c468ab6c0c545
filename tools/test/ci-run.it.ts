import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'curfew-ci-'))

after(() => rmSync(folder, { recursive: true, force: true }))

/** Runs the script with an npm that only says what each step would. */
function run(name: string, npm: string): { readonly status: number | null; readonly lines: readonly string[] } {
  const at = join(folder, name)
  mkdirSync(join(at, '.ci'), { recursive: true })
  mkdirSync(join(at, 'bin'))
  copyFileSync(join(root, '.ci/run'), join(at, '.ci/run'))
  writeFileSync(join(at, 'bin/npm'), `#!/bin/sh\necho "$*" >> ${at}/asked\ncase "$*" in\n${npm}\nesac\n`)
  chmodSync(join(at, 'bin/npm'), 0o755)
  const { status, stdout } = spawnSync('bash', [join(at, '.ci/run')], { encoding: 'utf8', env: { PATH: `${join(at, 'bin')}:${process.env['PATH'] ?? ''}` } })
  return { status, lines: stdout.trimEnd().split('\n') }
}

suite('The run before anything lands', () => {
  test('adds up what the steps say, one for each step, and ends with the sum', () => {
    const { status, lines } = run(
      'good',
      'test) echo "10 passed, 0 failed, 2 skipped";;\n"run interop") echo "3 passed, 0 failed"; echo more;;\n*) echo good;;'
    )
    const steps = lines.filter((line) => /^== .*: good, \d+ s$/.test(line)).length
    assert.equal(lines.at(-1), `${13 + steps} passed, 0 failed`)
    assert.equal(status, 0)
  })

  test('a step that fails does not stop the others, and is in the sum', () => {
    const { status, lines } = run('bad', 'test) echo "10 passed, 2 failed"; exit 1;;\n*) echo good;;')
    assert.match(lines.find((line) => line.startsWith('== test: F')) ?? '', /^== test: FAILED, \d+ s$/)
    assert.ok(lines.some((line) => line.startsWith('== acceptance: good')))
    assert.match(lines.at(-1) ?? '', /^\d+ passed, 3 failed$/)
    assert.equal(status, 1)
  })

  test('failures in the text count even when the exit code hides them', () => {
    const { status, lines } = run('hidden', 'test) echo "10 passed, 2 failed";;\n*) echo good;;')
    assert.match(lines.at(-1) ?? '', /^\d+ passed, 2 failed$/)
    assert.equal(status, 1)
  })
})
