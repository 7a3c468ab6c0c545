import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { carriesCodes, replicationOf, settingsWithoutEffect, warnOfSettings } from '../../src/cli/replication-setup.ts'
import { cluster } from '../../src/config/cluster-schema.ts'
import { store } from '../../src/config/store-schema.ts'

const groups = [
  { id: 'berlin', links: ['http://127.0.0.1:9041'] },
  { id: 'paris', links: ['http://127.0.0.1:9042'] }
]
const inBerlin = { group: 'berlin', groups, listen: ['127.0.0.1:9041'] }

function config(clusterSettings: object, storeSettings: object = {}): Parameters<typeof replicationOf>[0] {
  return { cluster: cluster.parse(clusterSettings), store: store.parse(storeSettings) }
}

const adaptive = { kind: 'redis', redis: { topology: 'cluster', nodes: ['redis://127.0.0.1:6379'] } }

suite('what groups tell each other', () => {
  test('a single group tells nobody anything', () => {
    assert.equal(replicationOf(config({})), undefined)
    assert.equal(replicationOf(config({ group: 'here' }, adaptive)), undefined)
  })

  test('AC-175 replication is on by itself where regions have identifiers and the store is adaptive', () => {
    assert.deepEqual(replicationOf(config(inBerlin, adaptive))?.services, {
      sessions: true,
      assertionReplay: true,
      accountLocking: true,
      referenceTokens: true,
      transactions: false,
      registeredClients: true
    })
    assert.equal(replicationOf(config(inBerlin, adaptive))?.group, 'a')
  })

  test('AC-189 subclusters tell each other of used assertions, registered clients, account links and changes of passwords, beside revocations, and of nothing else', () => {
    assert.deepEqual(replicationOf(config(inBerlin))?.services, {
      sessions: false,
      assertionReplay: true,
      accountLocking: false,
      referenceTokens: false,
      transactions: false,
      registeredClients: true
    })
  })

  for (const service of ['sessions', 'assertionReplay', 'accountLocking', 'referenceTokens'] as const)
    test(`AC-178 ${service} has a switch of its own`, () => {
      const on = replicationOf(config({ ...inBerlin, mode: 'regions' }))?.services
      const off = replicationOf(config({ ...inBerlin, mode: 'regions', replicate: { [service]: false } }))?.services
      assert.deepEqual(off, { ...on, [service]: false })
    })

  test('a code is carried to the region that issued it, unless every region is told of codes and grants', () => {
    const carried = (replicate: object): boolean => carriesCodes(config({ ...inBerlin, mode: 'regions', replicate }))
    assert.equal(carried({}), true)
    assert.equal(carried({ fetchTransactions: false }), false)
    assert.equal(carried({ transactions: true }), false)
    assert.equal(carried({ transactions: true, referenceTokens: false }), true, 'without its grant a code is worth nothing')
  })

  test('AC-185 settings that have no effect in the chosen mode are named at the start', () => {
    const replicate = { sessions: true, transactions: true, fetchTransactions: false }
    assert.deepEqual(settingsWithoutEffect(config({ ...inBerlin, mode: 'regions', replicate })), [])
    const named = ['cluster.replicate.sessions', 'cluster.replicate.transactions', 'cluster.replicate.fetchTransactions']
    assert.deepEqual(settingsWithoutEffect(config({ ...inBerlin, replicate })), named)
    assert.deepEqual(settingsWithoutEffect(config({ replicate: { assertionReplay: false }, mode: 'regions' })), [
      'cluster.replicate.assertionReplay',
      'cluster.mode'
    ])
    const said: string[] = []
    warnOfSettings(config({ ...inBerlin, replicate }), { warn: (_fields: unknown, text?: string) => void said.push(text ?? '') } as Parameters<
      typeof warnOfSettings
    >[1])
    assert.equal(said.length, 3)
    assert.match(
      said[0] ?? '',
      /^cluster\.replicate\.sessions has no effect: subclusters share nothing but revocations, used assertions, registered clients, account links and changes of passwords$/
    )
  })
})
