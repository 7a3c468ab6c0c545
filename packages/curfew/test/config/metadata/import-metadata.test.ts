import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import { isCurfewError } from '@curfew/codecs'
import { parse } from 'yaml'
import { openConnections } from '../../../src/authority/saml/connections.ts'
import { type Draft, draftText } from '../../../src/config/imports/draft.ts'
import { importMetadata, type MetadataSurroundings } from '../../../src/config/metadata/import-metadata.ts'
import { configSchema, type SamlConnectionConfig, type SamlIdentityProviderConfig } from '../../../src/config/schema.ts'
import { publicHalf } from '../../../src/cli/inspect-surroundings.ts'
import { createFakeClock } from '../../support/fake-clock.ts'
import { makeCertificate } from '../../support/certificates.ts'

const samples = new URL('../imports/samples/', import.meta.url)
const sample = (name: string): Uint8Array => readFileSync(new URL(name, samples))
const nowMs = Date.UTC(2026, 10, 28)

function imported(name: string, more: Partial<MetadataSurroundings> = {}): Draft {
  return importMetadata(sample(name), { origin: { settings: { file: name }, isSigned: false }, wanted: [], ids: new Set(), known: new Map(), nowMs, ...more })
}

/** `verdict what` of the lines about one entity. */
function linesOf({ lines }: Draft, about: string): readonly string[] {
  return lines.filter((line) => line.about === about).map(({ verdict, what }) => `${verdict} ${what}`)
}

suite('curfew import metadata: what becomes of an entity', () => {
  test('service providers become connections, identity providers upstream ones, each with the file and its entity ID', () => {
    const { settings } = imported('federation.xml')
    assert.deepEqual(settings, {
      connections: [
        { id: 'wiki-fur-alle', protocol: 'saml', metadata: { file: 'federation.xml' }, entityId: 'https://wiki.example.com/shibboleth' },
        {
          id: 'example-old-portal',
          protocol: 'saml',
          metadata: { file: 'federation.xml' },
          entityId: 'urn:example:old-portal',
          nameId: { format: 'persistent' }
        }
      ],
      identityProviders: [
        { id: 'idp-campus-example', protocol: 'saml', metadata: { file: 'federation.xml' }, entityId: 'https://idp.campus.example/idp/shibboleth' }
      ]
    })
  })

  test('what was written is taken by the schema, and a partner can be made of each connection', async () => {
    const draft = imported('federation.xml')
    const value = parse(draftText(draft)) as { connections: unknown; identityProviders: unknown }
    assert.deepEqual(value, draft.settings)
    const applications = configSchema.shape.connections.parse(value.connections) as SamlConnectionConfig[]
    const identityProviders = configSchema.shape.identityProviders.parse(value.identityProviders) as SamlIdentityProviderConfig[]
    const { pem } = await makeCertificate({ name: [{ CN: ['login.example.com'] }] })
    await using live = await openConnections(
      {
        clock: createFakeClock(nowMs),
        ownKeys: [publicHalf(pem, 'ecdsa-sha256')],
        readFile: async (path) => sample(path),
        fetchMetadata: () => Promise.reject(new Error('nothing is fetched')),
        onProblem: (id, error) => assert.fail(`${id} ${String(error)}`)
      },
      { applications, identityProviders }
    )
    assert.deepEqual(
      live.all().map(({ id }) => id),
      ['wiki-fur-alle', 'example-old-portal', 'idp-campus-example']
    )
  })

  test('bindings that are not served are unsupported, an artifact alone and SOAP alone come near', () => {
    const draft = imported('federation.xml')
    const wiki = linesOf(draft, 'https://wiki.example.com/shibboleth')
    for (const line of [
      'imported AssertionConsumerService HTTP-POST',
      'imported AssertionConsumerService HTTP-Artifact',
      'unsupported AssertionConsumerService HTTP-POST-SimpleSign',
      'unsupported AssertionConsumerService PAOS',
      'imported SingleLogoutService SOAP',
      'imported ArtifactResolutionService SOAP',
      'imported AuthnRequestsSigned',
      'approximated encryption'
    ])
      assert.ok(wiki.includes(line), `${line}: ${wiki.join('; ')}`)
    const portal = linesOf(draft, 'urn:example:old-portal')
    for (const line of [
      'approximated AssertionConsumerService HTTP-Artifact',
      'approximated logout',
      'approximated NameIDFormat persistent',
      'unsupported NameIDFormat kerberos'
    ])
      assert.ok(portal.includes(line), `${line}: ${portal.join('; ')}`)
    assert.match(draft.lines.find(({ about, what }) => about === 'urn:example:old-portal' && what === 'encryption')?.note ?? '', /AES-CBC alone/)
    assert.deepEqual(
      linesOf(draft, 'https://idp.campus.example/idp/shibboleth').filter((line) => line.includes('SingleSignOn')),
      ['unsupported SingleSignOnService AuthnRequest', 'not-needed SingleSignOnService HTTP-POST', 'imported SingleSignOnService HTTP-Redirect']
    )
  })

  test('attributes that it asks for are said with the line to write', () => {
    const notes = imported('federation.xml').lines.flatMap(({ what, verdict, note }) => (what.startsWith('attribute ') ? [`${verdict} ${what}: ${note}`] : []))
    assert.deepEqual(notes, [
      'approximated attribute mail: it needs it, and it is not sent until you write attributes: { "urn:oid:0.9.2342.19200300.100.1.3":"mail" }',
      'approximated attribute urn:oid:2.5.4.42: it asks for it, and it is not sent until you write attributes: { "urn:oid:2.5.4.42":"<attribute of the user>" }'
    ])
  })

  test('certificates are shown by fingerprint; a key that is too weak to be believed is said', () => {
    const { lines } = imported('federation.xml')
    const certificates = lines.filter(({ what }) => what.startsWith('certificate '))
    assert.deepEqual(
      certificates.map(({ about, verdict }) => `${verdict} ${about}`),
      ['imported https://wiki.example.com/shibboleth', 'unsupported urn:example:old-portal', 'imported https://idp.campus.example/idp/shibboleth']
    )
    for (const { what } of certificates) assert.match(what, /^certificate ([0-9A-F]{2}:){31}[0-9A-F]{2}$/)
    assert.match(certificates[1]?.note ?? '', /1024 bits/)
  })

  test('an entity that can not be connected has one line with the reason, and no connection', () => {
    const { lines } = imported('federation.xml')
    const refused = (about: string): string => {
      const [line, ...others] = lines.filter((one) => one.about === about)
      assert.equal(others.length, 0, about)
      assert.equal(line?.verdict, 'unsupported')
      return line?.note ?? ''
    }
    assert.match(refused('https://phone.example.com/sp'), /no assertion consumer service/)
    assert.match(refused('https://gone.example.com/sp'), /ended 2026-01-01/)
    assert.match(refused('https://script.example.com/sp'), /javascript:alert\(1\) is neither/)
    assert.match(refused('https://attributes.example.com/aa'), /neither a service provider/)
    assert.match(refused('https://keyless.example/idp'), /no certificate/)
  })

  test('of a file with one entity the connection needs no entity ID', () => {
    const { settings, comments } = imported('wiki.xml')
    assert.deepEqual(settings, {
      connections: [{ id: 'wiki-example-com', protocol: 'saml', metadata: { file: 'wiki.xml' }, nameId: { format: 'emailAddress' } }]
    })
    assert.equal(comments['connections.0']?.[0], 'https://wiki.example.com/saml')
  })
})

suite('curfew import metadata: what is chosen', () => {
  test('only entities that were asked for; one that is not there is said', () => {
    const draft = imported('federation.xml', { wanted: ['urn:example:old-portal', 'https://nobody.example'] })
    assert.deepEqual(Object.keys(draft.settings), ['connections'])
    assert.deepEqual(linesOf(draft, 'https://nobody.example'), ['unsupported entity'])
  })

  test('ids that are taken are not given again, and a partner that is there is left alone', () => {
    const ids = new Set(['wiki-example-com'])
    assert.deepEqual(
      (imported('wiki.xml', { ids }).settings['connections'] as { id: string }[]).map(({ id }) => id),
      ['wiki-example-com-2']
    )
    const draft = imported('wiki.xml', { known: new Map([['sp https://wiki.example.com/saml', 'wiki']]) })
    assert.deepEqual(draft.settings, {})
    assert.deepEqual(linesOf(draft, 'https://wiki.example.com/saml'), ['not-needed service provider'])
  })

  test('an address is named as such; over http, and signed without anybody looking, needs a person', () => {
    const of = (origin: MetadataSurroundings['origin']): readonly string[] =>
      imported('wiki.xml', { origin }).lines.flatMap(({ what, verdict }) => (what === 'signature' ? [verdict] : []))
    assert.deepEqual(of({ settings: { url: 'http://wiki.example.com/m' }, isSigned: false }), ['approximated'])
    assert.deepEqual(of({ settings: { url: 'https://wiki.example.com/m' }, isSigned: false }), [])
    assert.deepEqual(of({ settings: { url: 'https://wiki.example.com/m' }, isSigned: true }), ['approximated'])
    assert.deepEqual(of({ settings: { url: 'https://wiki.example.com/m' }, isSigned: true, certificate: 'federation.pem' }), ['imported'])
  })

  test('an entity ID that names a file of this machine is refused: it would be read when the configuration is loaded', () => {
    const text = Buffer.from(sample('federation.xml')).toString('utf8').replace('urn:example:old-portal', 'urn:${file:keys/saml.key.pem}')
    assert.throws(
      () => importMetadata(Buffer.from(text), { origin: { settings: { file: 'x' }, isSigned: false }, wanted: [], ids: new Set(), known: new Map(), nowMs }),
      (error) => isCurfewError(error) && error.code === 'CURFEW_IMPORT_REFUSED'
    )
  })

  test('what is no metadata is refused with the code of the reader', () => {
    const refused = (text: string, code: string): void =>
      assert.throws(
        () => importMetadata(Buffer.from(text), { origin: { settings: { file: 'x' }, isSigned: false }, wanted: [], ids: new Set(), known: new Map(), nowMs }),
        (error) => isCurfewError(error) && (assert.equal(error.code, code), true)
      )
    refused('<html></html>', 'CURFEW_SAML_METADATA')
    refused('{"issuer": "https://op.example.org"}', 'CURFEW_XML_SYNTAX')
    refused('<!DOCTYPE x><x/>', 'CURFEW_XML_FORBIDDEN')
  })
})
