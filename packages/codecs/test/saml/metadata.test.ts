import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type EntityDescriptor, lifetimeOf, parseMetadata, peekJwt, serialiseMetadata, signEnvelopedSync, verifyMetadata } from '../../src/index.ts'
import { foreignKey, partnerKey } from '../support/keys.ts'
import { codeOf } from '../support/messages.ts'

const entity: EntityDescriptor = {
  id: '_md',
  entityId: 'https://app.example/saml',
  cacheDuration: 'P1D',
  sp: {
    keys: [{ use: 'signing', certificates: ['QUJD'] }, { certificates: ['REVG', 'R0hJ'] }],
    nameIdFormats: ['urn:x'],
    singleLogoutServices: [
      { binding: 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect', location: 'https://app.example/slo', responseLocation: 'https://app.example/slo/done' }
    ],
    assertionConsumerServices: [{ binding: 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST', location: 'https://app.example/acs', index: 1, isDefault: true }],
    authnRequestsSigned: true,
    wantAssertionsSigned: false,
    ui: { displayNames: { en: 'Payroll', de: 'Gehalt' }, logos: [{ url: 'https://app.example/logo.svg', width: 80, height: 60 }] }
  }
}
const parts = serialiseMetadata(entity)
const xml = parts.head + parts.tail

suite('SAML Metadata', () => {
  test('is read as it was written, names and logos included', () => assert.deepEqual(parseMetadata(Buffer.from(xml)), [entity]))
  test('identity providers too', () => {
    const idp: EntityDescriptor = {
      id: '_i',
      entityId: 'https://idp.example',
      idp: {
        keys: [],
        nameIdFormats: [],
        artifactResolutionServices: [
          { binding: 'urn:oasis:names:tc:SAML:2.0:bindings:SOAP', location: 'https://idp.example/ars', index: 0, isDefault: true },
          { binding: 'urn:oasis:names:tc:SAML:2.0:bindings:SOAP', location: 'https://idp.example/ars/2', index: 2, isDefault: false }
        ],
        singleLogoutServices: [],
        singleSignOnServices: [{ binding: 'b', location: 'https://idp.example/sso' }],
        wantAuthnRequestsSigned: true
      }
    }
    const written = serialiseMetadata(idp)
    assert.deepEqual(parseMetadata(Buffer.from(written.head + written.tail)), [idp])
  })
  test('several entities in one file', () => {
    const list = `<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata">${xml}${xml.replaceAll('_md', '_md2').replace('app.example/saml', 'two.example/saml')}</md:EntitiesDescriptor>`
    assert.deepEqual(
      parseMetadata(Buffer.from(list)).map((e) => e.entityId),
      ['https://app.example/saml', 'https://two.example/saml']
    )
  })
  test('a role may say its own lifetime, which is written again', () => {
    const sp = { ...(entity.sp as NonNullable<EntityDescriptor['sp']>), validUntil: Temporal.Instant.from('2026-04-01T00:00:00Z'), cacheDuration: 'PT6H' }
    const short = { ...entity, sp }
    const written = serialiseMetadata(short)
    assert.deepEqual(parseMetadata(Buffer.from(written.head + written.tail)), [short])
  })
  suite('the lifetime is the shortest of all elements that enclose it', () => {
    const lifetime = (outer: string, inner: string, own: string, role: string): unknown => {
      const one = xml
        .replace(' cacheDuration="P1D"', own)
        .replace('<md:SPSSODescriptor', `<md:SPSSODescriptor${role}`)
        .replace(/ xmlns:md="[^"]+"/, '')
      const list = `<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata"${outer}><md:EntitiesDescriptor${inner}>${one}</md:EntitiesDescriptor></md:EntitiesDescriptor>`
      const [found] = parseMetadata(Buffer.from(list))
      assert.ok(found)
      const { validUntil, cacheDuration } = lifetimeOf(found, 'sp')
      return [validUntil?.toString(), cacheDuration]
    }
    const early = ' validUntil="2026-03-01T00:00:00Z" cacheDuration="PT2H"'
    const late = ' validUntil="2026-05-01T00:00:00Z" cacheDuration="P1M"'
    for (const [where, at] of [
      ['the aggregate', 0],
      ['an aggregate inside', 1],
      ['the entity', 2],
      ['the role', 3]
    ] as const) {
      test(`said by ${where}, alone and among later ones`, () => {
        const alone = ['', '', '', ''].with(at, early) as [string, string, string, string]
        const among = [late, late, late, late].with(at, early) as [string, string, string, string]
        assert.deepEqual(lifetime(...alone), ['2026-03-01T00:00:00Z', 'PT2H'])
        assert.deepEqual(lifetime(...among), ['2026-03-01T00:00:00Z', 'PT2H'])
      })
    }
    test('nobody says any', () => assert.deepEqual(lifetime('', '', '', ''), [undefined, undefined]))
    test('a month is longer than thirty hours and shorter than a year, and what is no duration is no wish', () => {
      assert.deepEqual(lifetime(' cacheDuration="P1Y"', ' cacheDuration="P1M"', ' cacheDuration="soon"', ' cacheDuration="-P1D"'), [undefined, 'P1M'])
      assert.deepEqual(lifetime('', ' cacheDuration="P1M"', ' cacheDuration="PT30H"', ''), [undefined, 'PT30H'])
    })
    test('an end that is no time is refused wherever it stands', () => {
      for (const at of [0, 1, 2, 3])
        assert.equal(
          codeOf(() => lifetime(...(['', '', '', ''].with(at, ' validUntil="tomorrow"') as [string, string, string, string]))),
          'CURFEW_SAML_STRUCTURE'
        )
    })
  })
  test('white space, comments, a byte order mark and folded certificates of hand-made files', () => {
    const hand = `\ufeff<?xml version="1.0"?>\n<!-- ours -->\n${xml.replace('QUJD', '\n  QU\n  JD\n').replaceAll('><', '>\n  <')}\n`
    assert.deepEqual(parseMetadata(Buffer.from(hand))[0]?.sp?.keys, entity.sp?.keys)
  })
  test('its signature is checked against a given key', () => {
    const signed = Buffer.from(signEnvelopedSync(parts, partnerKey.signing))
    assert.equal(verifyMetadata(signed, [partnerKey.verification]).fingerprint, partnerKey.verification.fingerprint)
    assert.equal(
      codeOf(() => verifyMetadata(signed, [foreignKey.verification])),
      'CURFEW_SAML_SIGNATURE_INVALID'
    )
    assert.equal(
      codeOf(() => verifyMetadata(Buffer.from(xml), [partnerKey.verification])),
      'CURFEW_SAML_SIGNATURE_MISSING'
    )
  })
  test('what is no metadata is refused with a clear code', () => {
    assert.equal(
      codeOf(() => parseMetadata(Buffer.from('<html></html>'))),
      'CURFEW_SAML_METADATA'
    )
    assert.equal(
      codeOf(() => parseMetadata(Buffer.from('<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata"></md:EntityDescriptor>'))),
      'CURFEW_SAML_METADATA'
    )
    assert.equal(
      codeOf(() => parseMetadata(Buffer.from('<!DOCTYPE x><x></x>'))),
      'CURFEW_XML_FORBIDDEN'
    )
  })
})

suite('Looking into JSON Web Tokens', () => {
  test('header and claims, nothing verified', () => {
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
    assert.deepEqual(peekJwt(`${part({ alg: 'RS256' })}.${part({ sub: 'ana' })}.x`), { header: { alg: 'RS256' }, claims: { sub: 'ana' } })
  })
  test('what is none is refused', () =>
    assert.equal(
      codeOf(() => peekJwt('a.b.c')),
      'CURFEW_JWT_MALFORMED'
    ))
})
