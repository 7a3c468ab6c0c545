import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import { isCurfewError } from '@curfew/codecs'
import { type Draft, draftText } from '../../../src/config/imports/draft.ts'
import { parseConfig } from '../../../src/config/load.ts'
import { entitiesMax, importShibboleth } from '../../../src/config/shibboleth/import-shibboleth.ts'
import type { ProvidedMetadata } from '../../../src/config/shibboleth/metadata-providers.ts'

const samples = new URL('../imports/samples/', import.meta.url)
const conf = (name: string): { readonly path: string; readonly bytes: Uint8Array } => ({
  path: `conf/${name}`,
  bytes: readFileSync(new URL(`shibboleth/${name}`, samples))
})
const all = ['idp.properties', 'ldap.properties', 'relying-party.xml', 'metadata-providers.xml'].map(conf)
const text = (path: string, content: string): { readonly path: string; readonly bytes: Uint8Array } => ({ path, bytes: Buffer.from(content) })

function imported(files = all, wanted: readonly string[] = [], read?: (provided: ProvidedMetadata) => Uint8Array): Draft {
  return importShibboleth(files, {
    home: '/opt/idp',
    wanted,
    ids: new Set(),
    known: new Map(),
    nowMs: Date.UTC(2026, 10, 28),
    readMetadata: (provided) => {
      const bytes = read?.(provided) ?? readFileSync(new URL(provided.file.replace('/opt/idp/metadata/', ''), samples))
      return { bytes, origin: { settings: provided.url === undefined ? { file: provided.file } : { url: provided.url }, isSigned: false } }
    }
  })
}

function verdicts({ lines }: Draft, what: string): readonly string[] {
  return lines.filter((line) => line.what === what).map(({ verdict }) => verdict)
}

suite('curfew import shibboleth: properties', () => {
  test('entity ID, clocks and session limits; what is always so, and what asks for less than here, is said', () => {
    const draft = imported()
    assert.deepEqual(draft.settings['saml'], { entityId: 'https://idp.example.org/idp/shibboleth', clockSkewSeconds: 180 })
    assert.deepEqual(draft.settings['sessions'], { idleMinutes: 90, maxMinutes: 600 })
    assert.deepEqual(verdicts(draft, 'idp.session.trackSPSessions'), ['imported'])
    assert.deepEqual(verdicts(draft, 'idp.session.secondaryServiceIndex'), ['imported'])
    assert.deepEqual(verdicts(draft, 'idp.logout.authenticated'), ['approximated'])
    assert.deepEqual(verdicts(draft, 'idp.authn.flows MFA'), ['unsupported'])
    assert.deepEqual(verdicts(draft, 'idp.signing.key'), ['approximated'])
  })

  test('what is off stays off; old milliseconds and times that are none are read as such', () => {
    const of = (content: string): Draft => imported([text('idp.properties', content)])
    assert.deepEqual(of('idp.session.enabled=false\n').settings, { sessions: { enabled: false }, signOn: { sessionState: 'none' } })
    assert.deepEqual(of('idp.session.timeout=5400000\n').settings, { sessions: { idleMinutes: 90 } })
    assert.deepEqual(of('idp.session.timeout=soon\n').settings, {})
    assert.deepEqual(of('idp.session.timeout=PT2H\nidp.authn.defaultLifetime=PT1H\n').settings, { sessions: { idleMinutes: 60, maxMinutes: 60 } })
    assert.deepEqual(verdicts(of('idp.session.trackSPSessions=false\n'), 'idp.session.trackSPSessions'), ['approximated'])
  })

  test('the directory, with the filter taken apart', () => {
    const { directories } = imported().settings['signOn'] as { readonly directories: readonly object[] }
    assert.deepEqual(directories, [
      {
        id: 'ldap',
        urls: ['ldap://ldap1.example.org:389', 'ldap://ldap2.example.org'],
        startTls: true,
        ca: '/opt/idp/credentials/ldap-server.crt',
        bindDn: 'cn=idp,dc=example,dc=org',
        bindPassword: '${file:keys/ldap.bind-password}',
        base: 'ou=people,dc=example,dc=org',
        filter: '(active=TRUE)',
        loginAttributes: ['uid', 'mail'],
        attributes: { mail: 'mail', eduPersonPrincipalName: 'eduPersonPrincipalName' },
        connectTimeoutSeconds: 3,
        timeoutSeconds: 4
      }
    ])
  })

  test('a filter that can not be taken apart gives no directory, and a plain address begins TLS', () => {
    const of = (more: string): readonly { readonly filter?: string; readonly startTls?: boolean; readonly loginAttributes?: readonly string[] }[] => {
      const content = `idp.authn.LDAP.ldapURL=ldap://ldap.example.org\nidp.authn.LDAP.baseDN=dc=example\nidp.authn.LDAP.useStartTLS=false\n${more}`
      return (
        (imported([text('ldap.properties', content)]).settings['signOn'] ?? { directories: [] }) as { directories: readonly { readonly filter?: string }[] }
      ).directories
    }
    assert.deepEqual(of('idp.authn.LDAP.userFilter=(!(uid={user}))\n'), [])
    const [plain] = of('idp.authn.LDAP.userFilter=(uid={user})\n')
    assert.deepEqual([plain?.filter, plain?.startTls, plain?.loginAttributes], [undefined, true, ['uid']])
    assert.equal(of('idp.authn.LDAP.userFilter=(&(a=1)(cn={user})(b=2))\n')[0]?.filter, '(&(a=1)(b=2))')
  })
})

suite('curfew import shibboleth: partners', () => {
  test('service providers of the metadata that it names, with their profiles; a copy of an address becomes the address', () => {
    const { settings } = imported()
    assert.deepEqual(settings['connections'], [
      {
        id: 'wiki-fur-alle',
        protocol: 'saml',
        metadata: { url: 'https://federation.example.org/all.xml' },
        entityId: 'https://wiki.example.com/shibboleth',
        signResponse: true,
        encrypt: 'assertions'
      },
      {
        id: 'example-old-portal',
        protocol: 'saml',
        metadata: { url: 'https://federation.example.org/all.xml' },
        entityId: 'urn:example:old-portal',
        nameId: { format: 'emailAddress' }
      },
      { id: 'wiki-example-com', protocol: 'saml', metadata: { file: '/opt/idp/metadata/wiki.xml' }, nameId: { format: 'emailAddress' }, signResponse: true }
    ])
  })

  test('an identity provider of the federation signs nobody in here', () => {
    const draft = imported()
    assert.equal(draft.settings['identityProviders'], undefined)
    assert.deepEqual(
      draft.lines.filter(({ about }) => about === 'https://idp.campus.example/idp/shibboleth').map(({ verdict, what }) => `${verdict} ${what}`)[0],
      'not-needed identity provider'
    )
  })

  test('other overrides, filters, dynamic metadata and profiles are said', () => {
    const draft = imported()
    for (const what of [
      'RelyingPartyByTag',
      'provider Federation: Predicate',
      'provider MDQ',
      'override of https://elsewhere.example.com/sp',
      'shibboleth.DefaultRelyingParty: SAML2.ECP'
    ])
      assert.deepEqual(verdicts(draft, what), ['unsupported'], what)
    assert.deepEqual(verdicts(draft, 'provider Federation: RequiredValidUntil'), ['approximated'])
  })

  test('of a large federation the partners have to be chosen', () => {
    const one = (i: number): string =>
      `<md:EntityDescriptor entityID="https://sp${i}.example.com"><md:SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><md:AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://sp${i}.example.com/acs" index="0"/></md:SPSSODescriptor></md:EntityDescriptor>`
    const bytes = (n: number): Uint8Array =>
      Buffer.from(
        `<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata">${Array.from({ length: n }, (_, i) => one(i)).join('')}</md:EntitiesDescriptor>`
      )
    const provider = `<MetadataProvider xmlns="urn:mace:shibboleth:2.0:metadata" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" id="All" xsi:type="FilesystemMetadataProvider" metadataFile="all.xml"/>`
    const count = (n: number, wanted: readonly string[] = []): number =>
      ((imported([text('metadata-providers.xml', provider)], wanted, () => bytes(n)).settings['connections'] ?? []) as readonly object[]).length
    assert.equal(count(entitiesMax), entitiesMax)
    assert.equal(count(entitiesMax + 1), 0)
    assert.equal(count(entitiesMax + 1, ['https://sp7.example.com']), 1)
  })
})

suite('curfew import shibboleth: what comes out', () => {
  test('no secret is in it, and with the password of the directory written the configuration is good', () => {
    const draft = imported()
    assert.doesNotMatch(JSON.stringify(draft), /hunter2/)
    const own = 'server: { baseUrl: https://login.example.com }\n'
    const merged = draftText(draft)
      .replace('sessions:\n', 'sessions:\n  secretFile: s\n')
      .replace('saml:\n', 'saml:\n  keys: [{ key: k.pem, certificate: c.pem }]\n')
      .replace('${file:keys/ldap.bind-password}', 'secret')
    const result = parseConfig(`${own}${merged}`, 'curfew.yaml', { environment: {} })
    assert.ok(result.ok, JSON.stringify(result))
  })

  test('other files are refused by name, and properties do not choose what is read on this machine', () => {
    const refused = (file: ReturnType<typeof text>, code: string): void =>
      assert.throws(
        () => imported([file]),
        (error) => isCurfewError(error) && (assert.equal(error.code, code), true)
      )
    refused(text('conf/other.xml', '<x/>'), 'CURFEW_IMPORT_REFUSED')
    refused(text('conf/relying-party.xml', '<beans'), 'CURFEW_XML_SYNTAX')
    refused(text('idp.properties', 'idp.entityID=https://${file:keys/saml.key.pem}\n'), 'CURFEW_IMPORT_REFUSED')
    refused(text('idp.properties', 'idp.entityID=%{none:${file:keys/saml.key.pem}}\n'), 'CURFEW_IMPORT_REFUSED')
  })
})
