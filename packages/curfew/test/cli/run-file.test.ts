import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { isCurfewError } from '@curfew/codecs'
import type { RunView } from '../../src/admin/schemas.ts'
import { runViewOf } from '../../src/admin/views.ts'
import { openRun } from '../../src/cli/commands/runs.ts'
import { lastInstantOf, readRunFile, runFileBytesMax } from '../../src/cli/run-file.ts'
import { createEngineKit } from '../support/engine-kit.ts'
import { contextOf } from './context.ts'

const folder = mkdtempSync(join(tmpdir(), 'curfew-run-file-'))
after(() => rmSync(folder, { recursive: true }))

function written(content: string | object): string {
  const path = join(folder, 'run.json')
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content, null, 2))
  return path
}

/** A run of which one application refused. */
async function partialRun(isOver = true): Promise<RunView> {
  const kit = createEngineKit()
  kit.sender.script('payroll', () => ({ kind: 'refused', statusCode: 'RequestDenied', code: 'CURFEW_SAML_LOGOUT_REFUSED' }))
  await kit.engine.start()
  const id = await kit.end((await kit.signIn(['payroll', 'legacy'])).id)
  if (isOver) await kit.clock.settle()
  const run = runViewOf(await kit.run(id))
  await kit.engine.stop()
  return run
}

suite('curfew runs open', () => {
  test('prints a finished run as curfew runs show does, and why it is not complete', async () => {
    const run = await partialRun()
    const { context, lines, notes } = contextOf()
    assert.equal(openRun(context, written(run), {}), 0)
    assert.equal(lines.length, 4)
    assert.match(lines[0] ?? '', new RegExp(`^${run.id} {2}ana {2}admin, started by admin ops`))
    assert.match(lines.join('\n'), /!! {2}payroll {2}refused/)
    assert.match(notes.join(), /^Why: curfew runs open .*run\.json --why$/)
    const why = contextOf()
    openRun(why.context, written(run), { why: true })
    assert.match(why.lines.join('\n'), /^payroll refused {3}CURFEW_SAML_LOGOUT_REFUSED\n/)
    const json = contextOf({ json: true })
    openRun(json.context, written(run), {})
    assert.deepEqual(JSON.parse(json.lines.join('\n')), run)
  })

  test('a run that was open when it was exported lasted until the last thing that it tells', async () => {
    const run = await partialRun(false)
    assert.equal(run.state, 'open')
    assert.equal(lastInstantOf(run), Math.max(run.startedAtMs, ...run.deliveries.flatMap(({ attempts }) => attempts.map(({ startedAtMs }) => startedAtMs))))
  })

  test('what is no run is refused, with what does not fit first', async () => {
    const run = await partialRun()
    for (const [content, why] of [
      ['', /no JSON/],
      ['eyJhbGciOiJSUzI1NiJ9.e30.AA', /no JSON/],
      ['[]', /./],
      [{ ...run, deliveries: 7 }, /^deliveries: /],
      [{ ...run, id: 'ses_A' }, /^id: /]
    ] as const)
      assert.throws(
        () => readRunFile(written(content)),
        (error) => isCurfewError(error) && error.code === 'CURFEW_CLI_RUN_FILE' && why.test(String(error.context['why']))
      )
    const large = written(run)
    truncateSync(large, runFileBytesMax + 1)
    assert.throws(
      () => readRunFile(large),
      (error) => isCurfewError(error) && error.code === 'CURFEW_CLI_RUN_FILE' && /16 MB/.test(String(error.context['why']))
    )
    assert.throws(() => readRunFile(join(folder, 'nothing.json')), /ENOENT/)
  })

  test('control characters in a file do not reach the terminal', async () => {
    const run = await partialRun()
    const { context, lines } = contextOf()
    openRun(context, written({ ...run, user: 'ana\u001B[2J\u009B1m\n' }), {})
    assert.match(lines[0] ?? '', / {2}ana\?\[2J\?1m\? {2}/)
    assert.ok(!/\p{Cc}/u.test(lines.join('')))
  })
})
