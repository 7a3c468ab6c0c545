import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { bindingUri, type EntityDescriptor, serialiseMetadata, signMessage, verificationKeyFromCertificate } from '@curfew/codecs'
import { type LiveConnections, openConnections } from '../../../src/authority/saml/connections.ts'
import type { MetadataChange } from '../../../src/authority/saml/metadata-drift.ts'
import type { ConnectionSettings } from '../../../src/authority/saml/settings.ts'
import { readingChecks } from '../../../src/cli/doctor-drift.ts'
import { createFakeClock, type FakeClock } from '../fake-clock.ts'
import { makeKeyPair, makeRsaKeyPair } from '../key-pairs.ts'

const own = makeKeyPair('curfew')
const first = makeKeyPair('payroll 2026')
const second = makeKeyPair('payroll 2027')
const encrypting = makeRsaKeyPair('payroll encryption')
const federation = makeKeyPair('federation')
const forger = makeKeyPair('somebody')
const shortOf = (pair: { readonly certificate: string }): string => verificationKeyFromCertificate(pair.certificate).fingerprint

function payroll(change: Partial<EntityDescriptor> = {}, role: Partial<NonNullable<EntityDescriptor['sp']>> = {}): EntityDescriptor {
  return {
    id: '_m',
    entityId: 'urn:payroll',
    sp: {
      keys: [
        { use: 'signing', certificates: [first.certificate] },
        { use: 'encryption', certificates: [encrypting.certificate] }
      ],
      nameIdFormats: [],
      singleLogoutServices: [{ binding: bindingUri('redirect'), location: 'http://payroll.test/slo' }],
      assertionConsumerServices: [{ binding: bindingUri('post'), location: 'http://payroll.test/acs', index: 0, isDefault: true }],
      authnRequestsSigned: true,
      wantAssertionsSigned: true,
      ...role
    },
    ...change
  }
}

interface Watched extends AsyncDisposable {
  readonly connections: LiveConnections
  readonly clock: FakeClock
  readonly changes: MetadataChange[]
  readonly problems: string[]
  /** The next reading finds this, an hour later. */
  publish(entity: EntityDescriptor | undefined, signer?: { readonly key: typeof federation.key }): Promise<void>
}

async function watch(start: EntityDescriptor = payroll(), settings: Partial<ConnectionSettings> = {}): Promise<Watched> {
  const clock = createFakeClock()
  const changes: MetadataChange[] = []
  const problems: string[] = []
  let published: EntityDescriptor | undefined = start
  let signer = federation.key
  const connections = await openConnections(
    {
      clock,
      ownKeys: [{ key: own.key, algorithm: 'ecdsa-sha256', certificate: own.certificate }],
      readFile: async () => Buffer.from(federation.certificatePem),
      fetchMetadata: async () => {
        if (published === undefined) throw new Error('down')
        return Buffer.from(await signMessage(serialiseMetadata(published), { key: signer, algorithm: 'ecdsa-sha256' }))
      },
      onProblem: (_id, error) => void problems.push(error instanceof Error && 'code' in error ? String(error.code) : 'down'),
      onChange: (_id, found) => void changes.push(...found)
    },
    { applications: [{ id: 'payroll', metadata: { url: 'http://payroll.test/metadata', certificate: '/federation.pem' }, ...settings }], identityProviders: [] }
  )
  return {
    connections,
    clock,
    changes,
    problems,
    async publish(entity, by = federation) {
      published = entity
      signer = by.key
      clock.advance(3_600_000)
      for (let i = 0; i < 8; i++) await new Promise((resolve) => setImmediate(resolve))
    },
    async [Symbol.asyncDispose]() {
      await connections[Symbol.asyncDispose]()
    }
  }
}

const words = ({ what, change, value, breaks }: MetadataChange): string => `${what} ${change} ${value}${breaks ? ' !' : ''}`

suite('Metadata that changes is reported', () => {
  test('nothing is said while nothing changes', async () => {
    await using watched = await watch()
    await watched.publish(payroll())
    assert.deepEqual([watched.changes, watched.problems], [[], []])
    assert.equal(watched.connections.metadata('payroll')?.readAtMs, watched.clock.nowMs())
  })

  test('a roll-over of a key: the new one is announced, the old one that vanishes is a warning before any message fails', async () => {
    await using watched = await watch()
    const both = [{ use: 'signing' as const, certificates: [first.certificate, second.certificate] }]
    await watched.publish(payroll({}, { keys: both }))
    assert.deepEqual(watched.changes.map(words), [`signing key added ${shortOf(second)}`])
    await watched.publish(payroll({}, { keys: [{ use: 'signing', certificates: [second.certificate] }] }))
    assert.deepEqual(watched.changes.slice(1).map(words), [`signing key removed ${shortOf(first)} !`])
    const checks = readingChecks('payroll', viewOf(watched), watched.clock.nowMs())
    assert.deepEqual(
      checks.map(({ verdict, why }) => [verdict, why.replace(/ \d{4}-.*UTC/, '')]),
      [
        ['warn', `signing key removed: ${shortOf(first)}`],
        ['ok', `signing key added: ${shortOf(second)}`]
      ]
    )
  })

  test('endpoints that move or go', async () => {
    await using watched = await watch()
    const moved = { binding: bindingUri('redirect'), location: 'http://payroll.test/slo2', responseLocation: 'http://payroll.test/done' }
    await watched.publish(payroll({}, { singleLogoutServices: [moved] }))
    assert.deepEqual(watched.changes.map(words), [
      'logout added redirect http://payroll.test/slo2 (answers to http://payroll.test/done)',
      'logout removed redirect http://payroll.test/slo'
    ])
    await watched.publish(payroll({}, { singleLogoutServices: [] }))
    assert.deepEqual(watched.changes.slice(2).map(words), ['logout removed redirect http://payroll.test/slo2 (answers to http://payroll.test/done) !'])
  })

  test('an endpoint that stays where it is and means something else: another binding, another index, another default', async () => {
    const acs = (binding: 'post' | 'artifact', index: number, isDefault: boolean) => ({
      binding: bindingUri(binding),
      location: 'http://payroll.test/acs',
      index,
      isDefault
    })
    await using watched = await watch()
    await watched.publish(payroll({}, { assertionConsumerServices: [acs('artifact', 0, true)] }))
    await watched.publish(payroll({}, { assertionConsumerServices: [acs('artifact', 1, true)] }))
    await watched.publish(payroll({}, { assertionConsumerServices: [acs('artifact', 1, false), acs('post', 0, true)] }))
    assert.deepEqual(watched.changes.map(words), [
      'assertion consumer added artifact http://payroll.test/acs (index 0, default)',
      'assertion consumer removed post http://payroll.test/acs (index 0, default)',
      'assertion consumer added artifact http://payroll.test/acs (index 1, default)',
      'assertion consumer removed artifact http://payroll.test/acs (index 0, default)',
      'assertion consumer added artifact http://payroll.test/acs (index 1)',
      'assertion consumer added post http://payroll.test/acs (index 0, default)',
      'assertion consumer removed artifact http://payroll.test/acs (index 1, default)'
    ])
  })

  test('where artifacts are exchanged: another index, another address, none', async () => {
    const ars = (index: number, location: string) => ({ artifactResolutionServices: [{ binding: bindingUri('soap'), location, index, isDefault: true }] })
    await using watched = await watch(payroll({}, ars(0, 'http://payroll.test/ars')))
    await watched.publish(payroll({}, ars(1, 'http://payroll.test/ars')))
    await watched.publish(payroll({}, ars(1, 'http://payroll.test/ars2')))
    await watched.publish(payroll())
    assert.deepEqual(watched.changes.map(words), [
      'artifact resolution added http://payroll.test/ars (index 1)',
      'artifact resolution removed http://payroll.test/ars (index 0)',
      'artifact resolution added http://payroll.test/ars2 (index 1)',
      'artifact resolution removed http://payroll.test/ars (index 1)',
      'artifact resolution removed http://payroll.test/ars2 (index 1) !'
    ])
    const checks = readingChecks('payroll', viewOf(watched), watched.clock.nowMs())
    assert.equal(checks.filter(({ verdict }) => verdict === 'warn').length, 1)
  })

  test('another entity ID is not followed: sessions are remembered by it', async () => {
    await using watched = await watch()
    await watched.publish(payroll({ entityId: 'urn:evil' }))
    assert.equal(watched.connections.byId('payroll')?.entityId, 'urn:payroll')
    assert.deepEqual(watched.problems, ['CURFEW_CONFIG_CONNECTION'])
    assert.match(watched.connections.metadata('payroll')?.problem?.why ?? '', /another entity ID, urn:evil/)
  })

  test('what the connection needs and the metadata no longer has is refused, and the former goes on: encryption, assertion consumer', async () => {
    for (const role of [{ keys: [{ use: 'signing' as const, certificates: [first.certificate] }] }, { assertionConsumerServices: [] }]) {
      await using watched = await watch(payroll(), { encrypt: 'both' })
      await watched.publish(payroll({}, role))
      assert.deepEqual(watched.problems, ['CURFEW_CONFIG_CONNECTION'])
      assert.equal(watched.connections.byId('payroll')?.encryption?.fingerprint, shortOf(encrypting))
      assert.equal(watched.connections.byId('payroll')?.peer.landing?.urls[0], 'http://payroll.test/acs')
    }
  })

  test('metadata that is signed by somebody else changes nothing and is reported', async () => {
    await using watched = await watch()
    await watched.publish(payroll({}, { keys: [{ use: 'signing', certificates: [forger.certificate] }] }), forger)
    assert.deepEqual(watched.problems, ['CURFEW_SAML_SIGNATURE_INVALID'])
    assert.deepEqual(watched.changes, [])
    assert.deepEqual(
      watched.connections.byId('payroll')?.verification.keys.map(({ fingerprint }) => fingerprint),
      [shortOf(first)]
    )
    const [check] = readingChecks('payroll', viewOf(watched), watched.clock.nowMs())
    assert.deepEqual([check?.verdict, check?.what], ['warn', 'payroll: reading metadata'])
    await watched.publish(payroll())
    assert.equal(watched.connections.metadata('payroll')?.problem, undefined)
  })

  test('metadata past its validUntil is used no longer, and comes back with newer one', async () => {
    const start = createFakeClock().nowMs()
    const until = (hours: number): Partial<EntityDescriptor> => ({ validUntil: Temporal.Instant.fromEpochMilliseconds(start + hours * 3_600_000) })
    await using watched = await watch(payroll(until(2.5)))
    await watched.publish(undefined)
    assert.equal(watched.connections.byId('payroll')?.entityId, 'urn:payroll')
    await watched.publish(payroll(until(1)))
    assert.deepEqual(watched.problems, ['down', 'CURFEW_CONFIG_CONNECTION'])
    assert.equal(watched.connections.byId('payroll')?.entityId, 'urn:payroll', 'what was read before is still valid')
    await watched.publish(undefined)
    assert.equal(watched.connections.byId('payroll'), undefined)
    assert.equal(watched.connections.application('urn:payroll'), undefined)
    await watched.publish(payroll(until(100)))
    assert.equal(watched.connections.byId('payroll')?.entityId, 'urn:payroll')
  })

  test('a long list of changes is cut', async () => {
    await using watched = await watch()
    for (let i = 0; i < 15; i++)
      await watched.publish(payroll({}, { singleLogoutServices: [{ binding: bindingUri('redirect'), location: `http://payroll.test/slo${i}` }] }))
    assert.equal(watched.connections.metadata('payroll')?.changes.length, 20)
    assert.match(watched.connections.metadata('payroll')?.changes[0]?.value ?? '', /slo14$/)
  })
})

function viewOf(watched: Watched): Parameters<typeof readingChecks>[1] {
  const state = watched.connections.metadata('payroll')
  return state === undefined ? undefined : { ...state, changes: [...state.changes] }
}
