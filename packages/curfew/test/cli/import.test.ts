import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
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

  test('AC-006 --plan prints the report alone and writes nothing', async () => {
    using it = installation()
    const out = join(it.folder, 'cluster.yaml')
    const { context, lines, notes } = contextOf()
    assert.equal(await importPingFederate(context, [it.folder], { plan: true, out, report: join(it.folder, 'import.md') }), 2)
    assert.match(lines.join('\n'), /^\nNot known\n/)
    assert.deepEqual(notes, [])
    assert.equal(existsSync(out) || existsSync(join(it.folder, 'import.md')), false)
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

  test('AC-120 answers of the admin API give settings and lines with their places; what nobody documented is said by the exit code', async () => {
    using it = installation()
    const global = join(it.folder, 'global.json')
    writeFileSync(global, '{\n  "enableSessions": false,\n  "idleTimeoutMins": 45,\n  "maxTimeoutMins": 90\n}\n')
    const known = contextOf()
    assert.equal(await importPingFederate(known.context, [global], {}), 0)
    assert.deepEqual(parse(known.lines.join('\n')), { sessions: { enabled: false, idleMinutes: 45, maxMinutes: 90 }, signOn: { sessionState: 'none' } })
    assert.match(known.notes.join('\n'), /Taken over\n.*\nglobal\.json:2 +enableSessions=false +sessions\.enabled/)
    assert.match(known.notes.join('\n'), /3 entries of 1 file/)
    writeFileSync(global, '{\n  "enableSessions": false,\n  "sauce": "|x"\n}\n')
    const report = join(it.folder, 'sessions.md')
    assert.equal(await importPingFederate(contextOf().context, [it.folder, global], { report }), 2)
    assert.match(readFileSync(report, 'utf8'), /## Not known\n[\s\S]*global\.json:3 \| sauce \| \\\|x \|  \| /)
  })

  test('AC-120 a file that is no JSON, and one that is too large, are refused by name, and nothing is written', async () => {
    using it = installation()
    const file = join(it.folder, 'global.json')
    const out = join(it.folder, 'sessions.yaml')
    const refused = (code: string, why: RegExp): Promise<void> =>
      assert.rejects(importPingFederate(contextOf().context, [file], { out }), (error) => {
        if (!isCurfewError(error)) return false
        assert.equal(error.code, code)
        assert.match(JSON.stringify(error.context), why)
        return true
      })
    writeFileSync(file, '{\n  "enableSessions": hunter2\n}\n')
    await refused('CURFEW_IMPORT_JSON', /global\.json","why":"line 2: there is no value/)
    writeFileSync(file, '{"enableSessions": false')
    await refused('CURFEW_IMPORT_JSON', /the file ends too early/)
    truncateSync(file, 33 * 1024 * 1024)
    await refused('CURFEW_CONFIG_FILE', /larger than 33554432 bytes/)
    assert.equal(existsSync(out), false)
  })
})
