import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type EntityDescriptor, parseMetadata, peekJwt, serialiseMetadata, signEnvelopedSync, verifyMetadata } from '../../src/index.ts'
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
