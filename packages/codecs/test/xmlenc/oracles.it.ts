import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import type { KeyObject } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import {
  attribute,
  childElements,
  encryptAssertion,
  parseXml,
  serialiseLogoutRequest,
  signEnvelopedSync,
  text,
  verifyResponse,
  type XmlElement
} from '../../src/index.ts'
import { cbcPeer, encryptingPeer, canonical, ownPair, sealFor, signedAssertionHere } from '../support/encryption.ts'
import { partnerKey } from '../support/keys.ts'
import { logoutRequest, posted, responseXml } from '../support/messages.ts'
// Python's cryptography comes with pysaml2.
import { noPysaml2, noXmlsec1 } from '../support/programs.ts'

const folder = mkdtempSync(join(tmpdir(), 'curfew-xmlenc-'))
after(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, content: string | Buffer): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

function pem(key: KeyObject): string {
  const type = key.type === 'private' ? 'pkcs8' : 'spki'
  return file(`${key.type}.pem`, key.export({ type, format: 'pem' } as { type: 'spki'; format: 'pem' }))
}

function run(program: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' })
  assert.equal(error, undefined, `${program} must be on the path`)
  assert.equal(status, 0, stderr)
  return stdout
}

suite('xmlsec1 decrypts what is written here', { skip: noXmlsec1 }, () => {
  for (const content of ['aes-128-gcm', 'aes-256-gcm'] as const) {
    test(`an assertion with ${content}`, () => {
      const xml = encryptAssertion(signedAssertionHere, sealFor(ownPair, { content }))
      const plain = run('xmlsec1', ['--decrypt', '--privkey-pem', pem(ownPair.privateKey), file('encrypted.xml', xml)])
      const root = parseXml(Buffer.from(plain.replace(/\n$/, '')), 'message').root
      assert.equal(root.name, 'EncryptedAssertion')
      const [inside] = childElements(root)
      assert.equal(attribute(inside ?? root, 'ID'), '_assertion1')
      assert.ok(plain.includes('>ana<'))
    })

    test(`an identifier in a LogoutRequest with ${content}, whose signature covers the cipher text`, () => {
      const xml = signEnvelopedSync(serialiseLogoutRequest(logoutRequest, sealFor(ownPair, { content })), partnerKey.signing)
      const path = file('request.xml', xml)
      run('xmlsec1', ['--verify', '--pubkey-pem', pem(partnerKey.publicKey), '--id-attr:ID', 'urn:oasis:names:tc:SAML:2.0:protocol:LogoutRequest', path])
      assert.ok(run('xmlsec1', ['--decrypt', '--privkey-pem', pem(ownPair.privateKey), path]).includes('>ana &amp; co<'))
    })
  }
})

function find(element: XmlElement, name: string): XmlElement {
  if (element.name === name) return element
  for (const child of element.children) if (typeof child !== 'string' && JSON.stringify(names(child)).includes(`"${name}"`)) return find(child, name)
  throw new Error(name)
}

function names(element: XmlElement): readonly string[] {
  return [element.name, ...element.children.flatMap((child) => (typeof child === 'string' ? [] : names(child)))]
}

test('the mask of RSA-OAEP with SHA-256 is made with SHA-256: a library that is told so opens the key', { skip: noPysaml2 }, () => {
  const xml = encryptAssertion(signedAssertionHere, sealFor(ownPair, { transport: 'rsa-oaep-sha256' }))
  const value = text(find(find(parseXml(Buffer.from(xml), 'message').root, 'EncryptedKey'), 'CipherValue'))
  const program = `
import base64, sys
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
key = serialization.load_pem_private_key(open(sys.argv[1], 'rb').read(), None)
oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
print(len(key.decrypt(base64.b64decode(sys.argv[2]), oaep)))`
  assert.equal(run('/usr/bin/python3', ['-c', program, pem(ownPair.privateKey), value]).trim(), '32')
})

/** A template for xmlsec1 to fill in. */
function template(content: string, keyMethod: string): string {
  return `<xenc:EncryptedData xmlns:xenc="http://www.w3.org/2001/04/xmlenc#" Type="http://www.w3.org/2001/04/xmlenc#Element">
  <xenc:EncryptionMethod Algorithm="${content}"/>
  <ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#">
    <xenc:EncryptedKey>
      <xenc:EncryptionMethod Algorithm="${keyMethod}"/>
      <ds:KeyInfo><ds:KeyName/></ds:KeyInfo>
      <xenc:CipherData><xenc:CipherValue/></xenc:CipherData>
    </xenc:EncryptedKey>
  </ds:KeyInfo>
  <xenc:CipherData><xenc:CipherValue/></xenc:CipherData>
</xenc:EncryptedData>`
}

suite('What xmlsec1 encrypts is read here', { skip: noXmlsec1 }, () => {
  const oaep = 'http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p'
  const ways = [
    { content: 'http://www.w3.org/2009/xmlenc11#aes128-gcm', session: 'aes-128', isCbc: false },
    { content: 'http://www.w3.org/2009/xmlenc11#aes256-gcm', session: 'aes-256', isCbc: false },
    { content: 'http://www.w3.org/2001/04/xmlenc#aes128-cbc', session: 'aes-128', isCbc: true },
    { content: 'http://www.w3.org/2001/04/xmlenc#aes192-cbc', session: 'aes-192', isCbc: true },
    { content: 'http://www.w3.org/2001/04/xmlenc#aes256-cbc', session: 'aes-256', isCbc: true }
  ]
  const encrypted = (way: (typeof ways)[number], keyMethod: string): string => {
    const output = join(folder, 'output.xml')
    const data = ['--xml-data', file('plain.xml', signedAssertionHere), '--output', output, file('template.xml', template(way.content, keyMethod))]
    run('xmlsec1', ['--encrypt', '--pubkey-pem', pem(ownPair.publicKey), '--session-key', way.session, ...data])
    const xml = readFileSync(output, 'utf8').replace(/^<\?xml[^>]*>\s*/, '')
    return canonical(`<saml:EncryptedAssertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">${xml}</saml:EncryptedAssertion>`)
  }
  for (const way of ways)
    test(way.content, () => {
      const xml = responseXml(encrypted(way, oaep), true)
      const read = verifyResponse(posted(xml, 'SAMLResponse'), way.isCbc ? cbcPeer : encryptingPeer)
      assert.equal(read.assertion?.subject.nameId.value, 'ana')
      assert.deepEqual(read.assertion?.authnStatement?.sessionIndex, 'index-1')
    })

  test('RSA 1.5 is not', () => {
    const inner = encrypted(ways[1] ?? { content: '', session: '', isCbc: false }, 'http://www.w3.org/2001/04/xmlenc#rsa-1_5')
    assert.throws(() => verifyResponse(posted(responseXml(inner, true), 'SAMLResponse'), encryptingPeer), { code: 'CURFEW_SAML_ENCRYPTION_REFUSED' })
  })
})
