import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { isCurfewError } from '@curfew/codecs'
import { parse } from 'yaml'
import { importPingFederate } from '../../src/cli/commands/import.ts'
import { contextOf } from './context.ts'

/** An installation as it lies on a disk, with one key that nobody knows. */
function installation(): { readonly folder: string; [Symbol.dispose](): void } {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-import-'))
  const conf = join(folder, 'pingfederate/server/default/conf')
  mkdirSync(conf, { recursive: true })
  mkdirSync(join(folder, 'pingfederate/bin'))
  writeFileSync(join(folder, 'pingfederate/bin/run.properties'), 'pf.operational.mode=CLUSTERED_ENGINE\npf.cluster.adaptive=true\npf.http.port=-1\n')
  writeFileSync(join(conf, 'cluster-adaptive.conf'), '# a comment\nreplication.factor=3\nnode.group.id=berlin\nodd.key=|x\n')
  writeFileSync(join(conf, 'other.conf'), 'not=read\n')
  return { folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true }) }
}

suite('curfew import pingfederate', () => {
  test('AC-006 a folder gives settings on standard output and a report of every entry beside it; what nobody knows is said by the exit code, too', async () => {
    using it = installation()
    const { context, lines, notes } = contextOf()
    assert.equal(await importPingFederate(context, [it.folder], {}), 2)
    assert.deepEqual(parse(lines.join('\n')), {
      store: { kind: 'redis', redis: { topology: 'cluster', nodes: ['${env:CURFEW_REDIS_NODE}'], copies: 2 } },
      cluster: { group: 'berlin' }
    })
    const report = notes.join('\n')
    for (const key of ['pf.operational.mode', 'pf.cluster.adaptive', 'pf.http.port', 'replication.factor', 'node.group.id', 'odd.key'])
      assert.ok(report.includes(key), key)
    assert.match(report, /Not known\n.*\n.*cluster-adaptive\.conf:4 +odd\.key/)
    assert.match(report, /6 entries of 2 files/)
  })

  test('AC-006 both can go into files, and nothing that is there is written over', async () => {
    using it = installation()
    const out = join(it.folder, 'cluster.yaml')
    const report = join(it.folder, 'import.md')
    const { context, lines } = contextOf()
    assert.equal(await importPingFederate(context, [join(it.folder, 'pingfederate')], { out, report }), 2)
    assert.deepEqual(lines, [])
    assert.equal((parse(readFileSync(out, 'utf8')) as { cluster: { group: string } }).cluster.group, 'berlin')
    assert.match(readFileSync(report, 'utf8'), /\| .*cluster-adaptive\.conf:4 \| odd\.key \| \\\|x \|  \| /)
    await assert.rejects(importPingFederate(contextOf().context, [it.folder], { out }), (error) => isCurfewError(error) && error.code === 'CURFEW_CONFIG_FILE')
  })

  test('AC-006 a folder without such files, a path that is not there and files of two nodes are refused', async () => {
    using it = installation()
    const refused = (paths: readonly string[], code: string): Promise<void> =>
      assert.rejects(importPingFederate(contextOf().context, paths, {}), (error) => isCurfewError(error) && (assert.equal(error.code, code), true))
    await refused(
      [join(it.folder, 'pingfederate/server')].map((path) => (mkdirSync(join(path, 'empty')), join(path, 'empty'))),
      'CURFEW_IMPORT_NOTHING'
    )
    await refused([join(it.folder, 'nowhere')], 'CURFEW_CONFIG_FILE')
    await refused([it.folder, join(it.folder, 'pingfederate/bin/run.properties')], 'CURFEW_IMPORT_REFUSED')
  })

  test('AC-006 as JSON it is one value with settings and lines', async () => {
    using it = installation()
    const { context, lines } = contextOf({ json: true })
    await importPingFederate(context, [it.folder], {})
    const value = JSON.parse(lines.join('\n')) as { settings: object; lines: readonly object[] }
    assert.equal(value.lines.length, 6)
  })
})
