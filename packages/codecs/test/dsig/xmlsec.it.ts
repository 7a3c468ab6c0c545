import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { DOMParser } from '@xmldom/xmldom'
import { SignedXml } from 'xml-crypto'
import {
  type SignatureAlgorithm,
  serialiseAssertion,
  serialiseLogoutRequest,
  serialiseLogoutResponse,
  signatureUri,
  signEnvelopedSync,
  verificationKeyFromPublicKey,
  verifyLogoutRequest
} from '../../src/index.ts'
import { keysByAlgorithm, partnerKey, type TestKey } from '../support/keys.ts'
import { assertion, codeOf, logoutRequest, logoutResponse, partner, posted, responseXml, signedAssertion } from '../support/messages.ts'
import { noXmlsec1 } from '../support/programs.ts'

const folder = mkdtempSync(join(tmpdir(), 'curfew-xmlsec-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const ids = ['protocol:LogoutRequest', 'protocol:LogoutResponse', 'protocol:Response', 'assertion:Assertion'].flatMap((name) => [
  '--id-attr:ID',
  `urn:oasis:names:tc:SAML:2.0:${name}`
])

function xmlsec(args: readonly string[], xml: string): { readonly status: number | null; readonly stderr: string } {
  const file = join(folder, 'message.xml')
  writeFileSync(file, xml)
  const { status, stderr, error } = spawnSync('xmlsec1', [...args, ...ids, file], { encoding: 'utf8' })
  assert.equal(error, undefined, 'xmlsec1 (Debian: xmlsec1) must be on the path')
  return { status, stderr }
}

function pemFile(key: KeyObject): string {
  const file = join(folder, `${key.type}.pem`)
  writeFileSync(file, key.type === 'private' ? key.export({ type: 'pkcs8', format: 'pem' }) : key.export({ type: 'spki', format: 'pem' }))
  return file
}

function isGoodForXmlsec(xml: string, key: TestKey): boolean {
  return xmlsec(['--verify', '--pubkey-pem', pemFile(key.publicKey)], xml).status === 0
}

const large = generateKeyPairSync('rsa', { modulusLength: 3072 })
const rsa3072: TestKey = {
  ...large,
  signing: { key: large.privateKey, algorithm: 'rsa-sha256' },
  verification: verificationKeyFromPublicKey(large.publicKey)
}
const { 'rsa-pss-sha256': _pss, ...plain } = keysByAlgorithm
const signers: Readonly<Record<string, TestKey>> = { ...plain, 'rsa-sha256 with 3072 bits': rsa3072 }

suite('xmlsec1 accepts what this package signs', { skip: noXmlsec1 }, () => {
  for (const [name, key] of Object.entries(signers)) {
    test(`LogoutRequest, LogoutResponse and Assertion with ${name}`, () => {
      for (const parts of [serialiseLogoutRequest(logoutRequest), serialiseLogoutResponse(logoutResponse), serialiseAssertion(assertion)]) {
        const xml = signEnvelopedSync(parts, key.signing)
        assert.equal(isGoodForXmlsec(xml, key), true)
        assert.equal(isGoodForXmlsec(xml.replace('partner.example', 'partner.exampie'), key), false, 'xmlsec1 must notice a change')
      }
    })
  }

  test('a signed Response around a signed assertion, and the assertion inside', () => {
    const xml = responseXml(signedAssertion, true)
    assert.equal(isGoodForXmlsec(xml, partnerKey), true)
    const inside = xmlsec(
      ['--verify', '--pubkey-pem', pemFile(partnerKey.publicKey), '--node-xpath', "//*[local-name()='Assertion']/*[local-name()='Signature']"],
      xml
    )
    assert.equal(inside.status, 0, inside.stderr)
  })

  test('an embedded certificate changes nothing', () => {
    const xml = signEnvelopedSync(serialiseLogoutRequest(logoutRequest), { ...partnerKey.signing, certificate: 'QUJD', embedCertificate: true })
    assert.equal(xmlsec(['--verify', '--enabled-key-data', 'rsa', '--pubkey-pem', pemFile(partnerKey.publicKey)], xml).status, 0)
  })
})

suite('What is let pass in KeyInfo although the schema asks for more', { skip: noXmlsec1 }, () => {
  const signed = signEnvelopedSync(serialiseLogoutRequest(logoutRequest), partnerKey.signing)
  const written: Readonly<Record<string, string>> = {
    'an empty X509Data, as xml-crypto writes it': '<ds:KeyInfo><ds:X509Data></ds:X509Data></ds:KeyInfo>',
    'an empty KeyInfo': '<ds:KeyInfo></ds:KeyInfo>'
  }
  for (const [name, info] of Object.entries(written))
    test(`${name}: xmlsec1 accepts it with the key of the partner`, () => {
      const xml = signed.replace('</ds:Signature>', `${info}</ds:Signature>`)
      assert.notEqual(xml, signed)
      assert.equal(
        codeOf(() => verifyLogoutRequest(posted(xml), { entityId: partner, keys: [partnerKey.verification] })),
        'accepted'
      )
      assert.equal(isGoodForXmlsec(xml, partnerKey), true)
    })
})

/** The request as another product would write it: declarations at the root, white space, short tags. */
function foreignRequest(signature: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<p:LogoutRequest xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol" xmlns="urn:oasis:names:tc:SAML:2.0:assertion" xmlns:xs="http://www.w3.org/2001/XMLSchema"
    Version='2.0' ID="_foreign" IssueInstant="2026-03-01T09:00:00Z" Destination="https://login.example/idp/SLO.saml2">
  <Issuer>${partner}</Issuer>${signature}
  <NameID>an\u00e1 &amp; &lt;co&gt;</NameID>
  <p:SessionIndex>index-1</p:SessionIndex>
  <p:SessionIndex >index-2</p:SessionIndex >
</p:LogoutRequest>
`
}

function template(algorithm: SignatureAlgorithm, prefixList: string): string {
  const list = prefixList === '' ? '' : `<ec:InclusiveNamespaces xmlns:ec="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="${prefixList}"/>`
  return `<Signature xmlns="http://www.w3.org/2000/09/xmldsig#">
    <SignedInfo>
      <CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>
      <SignatureMethod Algorithm="${signatureUri(algorithm)}"/>
      <Reference URI="#_foreign">
        <Transforms><Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/><Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#">${list}</Transform></Transforms>
        <DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><DigestValue/>
      </Reference>
    </SignedInfo>
    <SignatureValue/>
  </Signature>`
}

function signedByXmlsec(algorithm: SignatureAlgorithm, key: TestKey, prefixList: string): string {
  const output = join(folder, 'signed.xml')
  const { status, stderr } = xmlsec(['--sign', '--privkey-pem', pemFile(key.privateKey), '--output', output], foreignRequest(template(algorithm, prefixList)))
  assert.equal(status, 0, stderr)
  return readFileSync(output, 'utf8')
}

suite('What others sign is accepted', { skip: noXmlsec1 }, () => {
  for (const [algorithm, key] of Object.entries(plain) as [SignatureAlgorithm, TestKey][]) {
    for (const prefixList of ['', 'xs', '#default p xs', 'unknown']) {
      test(`by xmlsec1 with ${algorithm}${prefixList === '' ? '' : ` and the PrefixList "${prefixList}"`}`, () => {
        const xml = signedByXmlsec(algorithm, key, prefixList)
        const peer = { entityId: partner, keys: [key.verification] }
        const message = verifyLogoutRequest(posted(xml), peer)
        assert.equal(message.subject.value, 'an\u00e1 & <co>')
        assert.deepEqual(message.sessionIndexes, ['index-1', 'index-2'])
        assert.equal(
          codeOf(() => verifyLogoutRequest(posted(xml.replace('index-2', 'index-3')), peer)),
          'CURFEW_SAML_SIGNATURE_INVALID'
        )
      })
    }
  }

  test('by xml-crypto, and by it what this package signs', () => {
    const signer = new SignedXml({
      privateKey: partnerKey.privateKey.export({ type: 'pkcs8', format: 'pem' }),
      signatureAlgorithm: signatureUri('rsa-sha256'),
      canonicalizationAlgorithm: 'http://www.w3.org/2001/10/xml-exc-c14n#'
    })
    signer.addReference({
      xpath: '/*',
      transforms: ['http://www.w3.org/2000/09/xmldsig#enveloped-signature', 'http://www.w3.org/2001/10/xml-exc-c14n#'],
      digestAlgorithm: 'http://www.w3.org/2001/04/xmlenc#sha256'
    })
    // Its parser does not know white space in end tags.
    signer.computeSignature(foreignRequest('').replaceAll(' >', '>'), {
      prefix: 'ds',
      location: { reference: "/*/*[local-name(.)='Issuer']", action: 'after' }
    })
    const message = verifyLogoutRequest(posted(signer.getSignedXml()), { entityId: partner, keys: [partnerKey.verification] })
    assert.equal(message.subject.value, 'an\u00e1 & <co>')

    const ours = signEnvelopedSync(serialiseLogoutRequest(logoutRequest), rsa3072.signing)
    const checker = new SignedXml({ publicCert: rsa3072.publicKey.export({ type: 'spki', format: 'pem' }).toString(), getCertFromKeyInfo: () => null })
    const node = new DOMParser().parseFromString(ours, 'text/xml').getElementsByTagNameNS('http://www.w3.org/2000/09/xmldsig#', 'Signature')[0]
    checker.loadSignature(node as unknown as string)
    assert.equal(checker.checkSignature(ours), true)
  })
})
