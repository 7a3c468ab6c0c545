import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { bindingUri, type EntityDescriptor, serialiseMetadata, signMessage } from '@curfew/codecs'
import { type ConnectionsDeps, openConnections } from '../../../src/authority/saml/connections.ts'
import type { ConnectionSettings } from '../../../src/authority/saml/settings.ts'
import { createFakeClock } from '../fake-clock.ts'
import { makeKeyPair } from '../key-pairs.ts'

const own = makeKeyPair('curfew')
const peer = makeKeyPair('payroll')
const metadataKey = makeKeyPair('federation')

const payroll: EntityDescriptor = {
  id: '_m',
  entityId: 'urn:payroll',
  sp: {
    keys: [{ use: 'signing', certificates: [peer.certificate] }],
    nameIdFormats: [],
    artifactResolutionServices: [{ binding: bindingUri('soap'), location: 'http://payroll.test/ars', index: 3, isDefault: true }],
    singleLogoutServices: [
      { binding: bindingUri('artifact'), location: 'http://payroll.test/artifact' },
      { binding: bindingUri('redirect'), location: 'http://payroll.test/slo', responseLocation: 'http://payroll.test/slo-done' },
      { binding: bindingUri('soap'), location: 'http://payroll.test/soap' }
    ],
    ui: { displayNames: { de: 'Lohn', en: 'Payroll' }, logos: [] },
    assertionConsumerServices: [
      { binding: bindingUri('artifact'), location: 'http://payroll.test/acs-artifact', index: 0, isDefault: true },
      { binding: bindingUri('post'), location: 'http://payroll.test/acs', index: 1, isDefault: false }
    ],
    authnRequestsSigned: true,
    wantAssertionsSigned: true
  }
}

function unsigned(entity: EntityDescriptor): Uint8Array {
  const { head, tail } = serialiseMetadata(entity)
  return Buffer.from(head + tail)
}

async function open(settings: readonly Partial<ConnectionSettings>[], over: Partial<ConnectionsDeps> = {}) {
  const clock = createFakeClock()
  const problems: unknown[] = []
  const files: Record<string, Uint8Array | string> = {
    '/m.xml': unsigned(payroll),
    '/federation.pem': metadataKey.certificatePem,
    '/peer.pem': peer.certificatePem
  }
  const deps: ConnectionsDeps = {
    clock,
    ownKeys: [{ key: own.key, algorithm: 'ecdsa-sha256', certificate: own.certificate }],
    readFile: async (path) => Buffer.from(files[path] ?? assert.fail(path)),
    fetchMetadata: async () => assert.fail('no network here'),
    onProblem: (id, error) => void problems.push([id, error]),
    ...over
  }
  const connections = await openConnections(deps, {
    applications: settings.map((one, i) => ({ id: `c${i}`, metadata: { file: '/m.xml' }, ...one })),
    identityProviders: []
  })
  return { connections, clock, problems }
}

suite('SAML connections from metadata and settings', () => {
  test('takes addresses, keys and names from metadata, server-to-server logout first', async () => {
    const { connections } = await open([{}])
    const connection = connections.application('urn:payroll')
    assert.equal(connection?.name, 'Payroll')
    assert.deepEqual(connection?.consumers, [
      { binding: 'artifact', url: 'http://payroll.test/acs-artifact', index: 0, isDefault: true },
      { binding: 'post', url: 'http://payroll.test/acs', index: 1, isDefault: false }
    ])
    assert.deepEqual(connection?.artifactResolution, [{ url: 'http://payroll.test/ars', index: 3 }])
    assert.deepEqual(connection?.peer.channels, [
      { kind: 'server', binding: 'soap', url: 'http://payroll.test/soap' },
      { kind: 'hop', binding: 'redirect', url: 'http://payroll.test/slo', responseUrl: 'http://payroll.test/slo-done' },
      { kind: 'hop', binding: 'artifact', url: 'http://payroll.test/artifact' }
    ])
    assert.equal(connection?.verification.keys.length, 1)
    assert.equal(connection?.requireSignedAuthnRequests, true)
  })

  test('lets settings override what metadata says', async () => {
    const { connections } = await open([
      { name: 'Pay', slo: [{ binding: 'redirect', url: 'http://other.test/slo' }], frames: true, requireSignedAuthnRequests: false }
    ])
    const connection = connections.application('urn:payroll')
    assert.equal(connection?.name, 'Pay')
    assert.deepEqual(
      connection?.peer.channels.map(({ kind }) => kind),
      ['frame', 'hop']
    )
    assert.equal(connection?.requireSignedAuthnRequests, false)
  })

  test('AC-143 outgoingBindings chooses among written endpoints as among published ones, and answers are not meant', async () => {
    const slo = [
      { binding: 'redirect' as const, url: 'http://other.test/slo' },
      { binding: 'post' as const, url: 'http://other.test/post' },
      { binding: 'soap' as const, url: 'http://other.test/soap' }
    ]
    const of = async (settings: Partial<ConnectionSettings>) => {
      const { connections } = await open([settings])
      const { logoutServices = [], answerServices = [] } = connections.byId('c0') ?? {}
      return [logoutServices, answerServices].map((all) => all.map(({ binding, url }) => `${binding} ${url.slice('http://'.length)}`))
    }
    const published = ['artifact payroll.test/artifact', 'redirect payroll.test/slo']
    assert.deepEqual(await of({ slo, outgoingBindings: ['soap', 'post'] }), [
      ['soap other.test/soap', 'post other.test/post'],
      ['redirect other.test/slo', 'post other.test/post', ...published]
    ])
    assert.deepEqual(await of({ outgoingBindings: ['soap'] }), [['soap payroll.test/soap'], published])
    assert.deepEqual(await of({ slo: slo.slice(2) }), [['soap other.test/soap'], published], 'the metadata says where the browser is waited for')
  })

  test('AC-142 resolves relative addresses, and refuses them without a base address', async () => {
    const relative = {
      metadata: undefined,
      entityId: 'urn:x',
      acs: [{ binding: 'post' as const, url: '/acs' }],
      slo: [{ binding: 'redirect' as const, url: '/slo', responseUrl: '/done' }]
    }
    const { connections } = await open([{ ...relative, baseUrl: 'https://apps.test/x' }])
    assert.deepEqual(connections.byId('c0')?.logoutServices, [{ binding: 'redirect', url: 'https://apps.test/slo', responseUrl: 'https://apps.test/done' }])
    await assert.rejects(open([relative]), { code: 'CURFEW_CONFIG_CONNECTION' })
  })

  for (const [name, settings] of [
    ['without entity ID or metadata', { metadata: undefined }],
    ['without an address for assertions', { metadata: undefined, entityId: 'urn:x' }],
    ['with an address that is not http', { acs: [{ binding: 'post' as const, url: 'javascript:alert(1)' }] }],
    ['that metadata does not hold', { entityId: 'urn:other' }],
    ['that asks for an algorithm no key fits', { algorithm: 'rsa-sha256' as const }]
  ] as const) {
    test(`refuses a connection ${name}`, async () => {
      await assert.rejects(open([settings]), { code: 'CURFEW_CONFIG_CONNECTION' })
    })
  }

  test('refuses two connections to one entity ID', async () => {
    await assert.rejects(open([{}, {}]), { code: 'CURFEW_CONFIG_CONNECTION' })
  })

  test('refuses metadata past its validUntil', async () => {
    const old = unsigned({ ...payroll, validUntil: Temporal.Instant.from('2026-03-01T00:00:00Z') })
    await assert.rejects(open([{}], { readFile: async () => old }), { code: 'CURFEW_CONFIG_CONNECTION' })
  })

  test('checks the signature of metadata when a certificate is configured', async () => {
    const signed = Buffer.from(await signMessage(serialiseMetadata(payroll), { key: metadataKey.key, algorithm: 'ecdsa-sha256' }))
    const files: Record<string, Uint8Array> = { '/signed.xml': signed, '/m.xml': unsigned(payroll), '/federation.pem': Buffer.from(metadataKey.certificatePem) }
    const readFile = async (path: string) => files[path] ?? assert.fail(path)
    await assert.doesNotReject(open([{ metadata: { file: '/signed.xml', certificate: '/federation.pem' } }], { readFile }))
    await assert.rejects(open([{ metadata: { file: '/m.xml', certificate: '/federation.pem' } }], { readFile }), { code: 'CURFEW_SAML_SIGNATURE_MISSING' })
  })

  test('reads metadata again after its time, keeps what it knew when that fails, and starts without a partner that is down', async () => {
    const answers: (Uint8Array | undefined)[] = [
      undefined,
      unsigned(payroll),
      undefined,
      unsigned({ ...payroll, sp: { ...payroll.sp, ui: { displayNames: { en: 'Payroll 2' }, logos: [] } } as NonNullable<EntityDescriptor['sp']> })
    ]
    const fetchMetadata = async () => answers.shift() ?? Promise.reject(new Error('down'))
    const { connections, clock, problems } = await open([{ metadata: { url: 'http://payroll.test/metadata', refreshMinutes: 10 } }], { fetchMetadata })
    assert.equal(connections.byId('c0'), undefined)
    const settle = async (minutes: number) => {
      clock.advance(minutes * 60_000)
      await new Promise((resolve) => setImmediate(resolve))
      await new Promise((resolve) => setImmediate(resolve))
    }
    await settle(1)
    assert.equal(connections.byId('c0')?.entityId, 'urn:payroll')
    await settle(10)
    assert.equal(connections.byId('c0')?.entityId, 'urn:payroll')
    await settle(10)
    assert.equal(connections.application('urn:payroll')?.name, 'Payroll 2')
    assert.equal(problems.length, 2)
    await connections[Symbol.asyncDispose]()
  })
})
