import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { isCurfewError } from '@curfew/codecs'
import fc from 'fast-check'
import { parseConfig } from '../../../src/config/load.ts'
import { configSchema } from '../../../src/config/schema.ts'
import { importCluster } from '../../../src/config/pingfederate/import-cluster.ts'
import type { Imported } from '../../../src/config/pingfederate/imported.ts'
import { shippedFiles } from '../../../src/config/pingfederate/shipped-keys.ts'

type Files = Readonly<Record<string, Readonly<Record<string, string>>>>

function imported(files: Files): Imported {
  const texts = Object.entries(files).map(([name, values]) => ({
    path: `conf/${name}`,
    name,
    text: Object.entries(values)
      .map(([key, value]) => `${key}=${value}\n`)
      .join('')
  }))
  return importCluster(texts)
}

const fateOf = ({ lines }: Imported, key: string): string | undefined => lines.find((line) => line.key === key)?.fate

/** The documented keys of the two files that AC-006 names, with their shipped values. */
const registry = { 'rpc.timeout': '500', 'synchronous.retrieve.majority.only': 'true', 'preferred.node.indices': '', 'preferred.node.group.id': '' }
const adaptive = {
  'replication.factor': '3',
  'track.state': 'true',
  'rebalance.rpc.timeout': '5000',
  'node.group.id': '',
  'inter.group.replicate.sessions': 'true',
  'inter.group.replicate.reference.tokens': 'true',
  'inter.group.replicate.reference.tokens.synchronous': 'true',
  'inter.group.replicate.assertion.replay': 'true',
  'inter.group.replicate.account.locking': 'true',
  'inter.group.replicate.transaction.state': 'false'
}
const engine = { 'pf.operational.mode': 'CLUSTERED_ENGINE', 'pf.cluster.adaptive': 'true' }

suite('Import of the cluster files of PingFederate', () => {
  test('AC-006 every documented key of the IdP Session Registry and of adaptive clustering has a setting or a reason why it has none', () => {
    const { lines } = imported({ 'run.properties': engine, 'cluster-idp-session-registry.conf': registry, 'cluster-adaptive.conf': adaptive })
    const keys = [...Object.keys(engine), ...Object.keys(registry), ...Object.keys(adaptive)]
    assert.deepEqual(
      lines.map(({ key }) => key),
      keys
    )
    for (const { key, fate, note } of lines) {
      assert.ok(fate !== 'unknown' && fate !== 'unreadable', `${key}: ${fate}`)
      assert.ok(note.length > 5, key)
    }
  })

  test('AC-006 an adaptive cluster in two regions becomes settings that the schema takes', () => {
    const changed = {
      ...adaptive,
      'replication.factor': '2',
      'node.group.id': 'eu-west',
      'inter.group.replicate.sessions': 'false',
      'inter.group.replicate.transaction.state': 'TRUE'
    }
    const { settings } = imported({
      'run.properties': { ...engine, 'pf.cluster.node.index': '7', 'node.tags': 'north 1', 'pf.heartbeat.system.monitoring': 'true' },
      'cluster-adaptive.conf': changed,
      'cluster-session-revocation.conf': { 'read.local.only': 'true', 'bulk.revoked.sris.timeout': '15000' }
    })
    assert.deepEqual(settings, {
      store: { kind: 'redis', redis: { topology: 'cluster', nodes: ['${env:CURFEW_REDIS_NODE}'], copies: 1 } },
      cluster: {
        index: 7,
        tags: ['north', '1'],
        group: 'euWest',
        replicate: { sessions: false, referenceTokens: true, assertionReplay: true, accountLocking: true, transactions: true, revocationDownloadSeconds: 15 }
      },
      server: { heartbeatMonitoring: true }
    })
    const loaded = parseConfig(
      JSON.stringify({
        ...settings,
        server: { ...(settings['server'] as object), baseUrl: 'https://login.example.com' },
        saml: { keys: [{ key: 'k.pem', certificate: 'c.pem' }] },
        sessions: { secretFile: 'secret' },
        signOn: { users: 'users.yaml' }
      }),
      '/nowhere/curfew.yaml',
      { environment: { CURFEW_REDIS_NODE: 'redis://10.0.0.1:6379' } }
    )
    assert.ok(loaded.ok, JSON.stringify(loaded))
  })

  test('AC-006 without its servers the imported part starts nothing', () => {
    const { settings } = imported({ 'run.properties': engine, 'cluster-adaptive.conf': adaptive })
    const loaded = parseConfig(JSON.stringify(settings), '/nowhere/curfew.yaml', { environment: {} })
    assert.ok(!loaded.ok && loaded.findings.some(({ code, path }) => code === 'CURFEW_CONFIG_SECRET' && path.startsWith('store.redis.nodes')))
  })

  test('AC-006 what counted for nothing there counts for nothing here: directed, adaptive, standalone', () => {
    const files = {
      'cluster-idp-session-registry.conf': { ...registry, 'preferred.node.group.id': 'berlin' },
      'cluster-adaptive.conf': { ...adaptive, 'node.group.id': 'paris' }
    }
    const groupWith = (run: Readonly<Record<string, string>>): readonly unknown[] => {
      const result = imported({ 'run.properties': { ...engine, ...run }, ...files })
      const { cluster, store } = result.settings as { cluster?: { group?: string }; store?: { redis: { topology: string } } }
      return [cluster?.group, store?.redis.topology, fateOf(result, 'preferred.node.group.id'), fateOf(result, 'node.group.id')]
    }
    assert.deepEqual(groupWith({ 'pf.cluster.adaptive': 'true' }), ['paris', 'cluster', 'unused', 'taken'])
    assert.deepEqual(groupWith({ 'pf.cluster.adaptive': 'false' }), ['berlin', 'sentinel', 'taken', 'unused'])
    assert.deepEqual(groupWith({ 'pf.operational.mode': 'STANDALONE' }), [undefined, undefined, 'unused', 'unused'])
  })

  test('AC-006 AC-196 lifetimes and the number of sessions per user come from size-limits.conf, numbers of entries do not', () => {
    const sizes = {
      'IdpSessionRegistryMapImpl.max.sessions': '10000',
      'IdpSessionRegistryMapImpl.max.user.key.sris': '40',
      'IdpSessionRegistryMapImpl.expiry.mins': '600',
      'SpSessionRegistryMapImpl.expiry.mins': '900',
      'InterReqStateMgmtMapImpl.expiry.mins.state.map': '20',
      'InterReqStateMgmtMapImpl.expiry.mins.attr.map': '900'
    }
    const result = imported({ 'size-limits.conf': sizes })
    assert.deepEqual(result.settings, { sessions: { perUserMax: 40, registryMinutes: 900, transactionMinutes: 20, attributeMinutes: 900 } })
    assert.ok(configSchema.shape.sessions.safeParse({ secretFile: 'x', ...(result.settings['sessions'] as object) }).success)
    assert.equal(fateOf(result, 'IdpSessionRegistryMapImpl.max.sessions'), 'by-hand')
    for (const longer of ['IdpSessionRegistryMapImpl.expiry.mins', 'SpSessionRegistryMapImpl.expiry.mins'])
      assert.throws(
        () => imported({ 'size-limits.conf': { ...sizes, [longer]: '901' } }),
        (error) => isCurfewError(error) && error.code === 'CURFEW_IMPORT_REFUSED' && /attr\.map \(900\).*\(901\)/.test(error.message)
      )
  })

  test('AC-006 keys that are not documented, and values that no such key has, are listed with their place; secrets are not shown', () => {
    const { lines, settings } = imported({
      'run.properties': { ...engine, 'pf.cluster.auth.pwd': 'hunter2', 'pf.cluster.sauce': 'x', 'pf.admin.https.port': '9999' },
      'cluster-adaptive.conf': { 'replication.factor': 'many', 'inter.group.replicate.session': 'true' },
      'cluster-new.conf': { 'some.thing': '1' }
    })
    assert.deepEqual(
      lines.slice(2).map(({ path, line, key, fate }) => [path, line, key, fate]),
      [
        ['conf/run.properties', 3, 'pf.cluster.auth.pwd', 'by-hand'],
        ['conf/run.properties', 4, 'pf.cluster.sauce', 'unknown'],
        ['conf/run.properties', 5, 'pf.admin.https.port', 'elsewhere'],
        ['conf/cluster-adaptive.conf', 1, 'replication.factor', 'unreadable'],
        ['conf/cluster-adaptive.conf', 2, 'inter.group.replicate.session', 'unknown'],
        ['conf/cluster-new.conf', 1, 'some.thing', 'unknown']
      ]
    )
    assert.doesNotMatch(JSON.stringify({ lines, settings }), /hunter2/)
  })

  test('AC-006 nothing is lost: every entry of any files has exactly one line', () => {
    const names = [...shippedFiles.keys(), 'cluster-other.conf']
    const keys = [...new Set([...shippedFiles.values()].flatMap((those) => [...those.keys()])), 'toString', '__proto__', 'x']
    const entry = fc.tuple(fc.constantFrom(...names), fc.constantFrom(...keys), fc.constantFrom('', 'true', 'false', '3', '1440', 'a b', 'x'))
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 40 }), (entries) => {
        const files = names.map((name) => ({
          path: name,
          name,
          text: entries.flatMap(([file, key, value]) => (file === name ? [`${key}=${value}\n`] : [])).join('')
        }))
        try {
          const { lines } = importCluster(files)
          const told = lines.map(({ path, key }) => `${path} ${key}`).sort()
          assert.deepEqual(told, entries.map(([file, key]) => `${file} ${key}`).sort())
        } catch (error) {
          if (!isCurfewError(error)) throw error
          assert.equal(error.code, 'CURFEW_IMPORT_REFUSED')
        }
      })
    )
  })

  test('AC-006 every setting that is named exists', () => {
    const known = (path: string): boolean => {
      let schema: unknown = configSchema
      for (const part of path.split('.')) {
        while ((schema as { def?: { innerType?: unknown } }).def?.innerType !== undefined) schema = (schema as { def: { innerType: unknown } }).def.innerType
        schema = (schema as { shape?: Readonly<Record<string, unknown>> }).shape?.[part]
        if (schema === undefined) return false
      }
      return true
    }
    const named = [...shippedFiles.values()].flatMap((keys) => [...keys.values()].flatMap(({ setting }) => setting ?? []))
    assert.ok(named.length > 15)
    assert.deepEqual(
      named.filter((path) => !known(path)),
      []
    )
  })

  test('AC-006 a key of PingFederate in curfew.yaml is answered with the setting that takes its place', () => {
    const result = parseConfig('cluster:\n  inter.group.replicate.sessions: false\n  track.state: true\n', 'curfew.yaml', { environment: {} })
    const found = result.ok ? [] : result.findings.filter(({ code }) => code === 'CURFEW_CONFIG_UNKNOWN_KEY').map(({ line, fix }) => `${line} ${fix}`)
    assert.match(found[0] ?? '', /^2 Write `cluster\.replicate\.sessions`/)
    assert.match(found[1] ?? '', /^3 Leave it out: /)
  })
})
