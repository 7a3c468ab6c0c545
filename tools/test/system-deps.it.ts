import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const tool = fileURLToPath(new URL('../system-deps.ts', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'curfew-deps-'))

after(() => rmSync(folder, { recursive: true, force: true }))

/** Runs the tool on a machine that has the programs of this folder only, and may not install any. */
function ensure(set: string): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  return spawnSync(process.execPath, [tool, '--ensure', set], { encoding: 'utf8', env: { PATH: folder, CURFEW_NO_APT: '1' } })
}

suite('System programs of the tests', () => {
  test('what is missing is said in one line with the command that brings it, and nothing fails', () => {
    const { status, stdout } = ensure('test')
    assert.equal(status, 0)
    assert.match(stdout, /^Not on this machine: .*xmlsec1.*\. Install them with: sudo apt-get install -y --no-install-recommends .*xmlsec1.*\n$/)
  })

  test('any of the names of a program is good enough', () => {
    const program = join(folder, 'google-chrome')
    assert.match(ensure('test').stdout, /chromium-headless-shell/)
    writeFileSync(program, '#!/bin/sh\n')
    chmodSync(program, 0o755)
    assert.doesNotMatch(ensure('test').stdout, /chromium-headless-shell/)
  })

  test('a set that does not exist is a mistake of the caller', () => {
    const { status, stderr } = ensure('tset')
    assert.equal(status, 1)
    assert.match(stderr, /there is no set "tset", only test, faults, interop, bench/)
  })
})
