import assert from 'node:assert/strict'
import { createHash, createHmac } from 'node:crypto'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import {
  attribute,
  canonicalise,
  childElements,
  parseXml,
  type SignedView,
  signatureUri,
  signBytesSync,
  signEnvelopedSync,
  text,
  unsafeAllowSha1,
  verifyEnveloped,
  type XmlElement
} from '../../src/index.ts'
import { foreignKey, partnerKey } from '../support/keys.ts'
import { codeOf } from '../support/messages.ts'

const parts = { head: '<p:m xmlns:p="urn:p" ID="_m">', tail: '<p:name role="user">ana</p:name><p:more></p:more></p:m>', id: '_m' }
const signed = signEnvelopedSync(parts, partnerKey.signing)
const signature = /<ds:Signature .*<\/ds:Signature>/.exec(signed)?.[0] ?? ''
const keys = [partnerKey.verification]

function verified(xml: string, find: (root: XmlElement) => XmlElement = (root) => root, policy = {}): SignedView {
  const document = parseXml(Buffer.from(xml), 'message')
  return verifyEnveloped(document, find(document.root), keys, policy)
}

function outcome(xml: string, policy = {}): string {
  return codeOf(() => verified(xml, undefined, policy))
}

/** Signs a SignedInfo of the attacker's choice with the right key: what a partner with other habits might send. */
function withSignedInfo(edit: (info: string) => string, around = (message: string): string => message): string {
  const info = edit(/<ds:SignedInfo>.*<\/ds:SignedInfo>/.exec(signature)?.[0] ?? '')
  const octets = canonicalise(
    parseXml(Buffer.from(info.replace('<ds:SignedInfo', '<ds:SignedInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"')), 'message').root
  )
  const value = signBytesSync(octets, partnerKey.signing).toString('base64')
  return around(
    `${parts.head}<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#">${info}<ds:SignatureValue>${value}</ds:SignatureValue></ds:Signature>${parts.tail}`
  )
}

suite('Only what was signed can be read', () => {
  test('the view is the element without its Signature, nothing before or after it', () => {
    const { view, signedBy } = verified(signed)
    assert.equal(signedBy, partnerKey.verification)
    assert.deepEqual(
      childElements(view).map((child) => child.name),
      ['name', 'more']
    )
    assert.equal(canonicalise(view), parts.head + parts.tail)
  })

  test('a change of one octet anywhere is refused or changes nothing that can be read', () => {
    const before = canonicalise(verified(signed).view)
    fc.assert(
      fc.property(fc.nat(signed.length - 1), fc.integer({ min: 1, max: 255 }), (at, difference) => {
        const octets = Buffer.from(signed)
        octets[at] = (octets[at] ?? 0) ^ difference
        const code = codeOf(() => {
          const document = parseXml(octets, 'message')
          assert.equal(canonicalise(verifyEnveloped(document, document.root, keys, {}).view), before)
        })
        assert.match(code, /^(?:CURFEW_|accepted)/)
      }),
      { numRuns: 4_000 }
    )
  })

  test('every octet of the signed element counts', () => {
    const start = signed.indexOf('<p:name')
    for (let at = start; at < signed.length - '</p:m>'.length; at++) {
      const xml = `${signed.slice(0, at)}${signed[at] === 'x' ? 'y' : 'x'}${signed.slice(at + 1)}`
      assert.match(outcome(xml), /^CURFEW_/, `octet ${at}`)
    }
  })
})

suite('A signature in the wrong place', () => {
  const forged = parts.tail.replace('ana', 'admin')
  const cases: Readonly<Record<string, readonly [string, string]>> = {
    'moved to a forged element of the same id': [`${parts.head}${signature}${forged}`, 'CURFEW_SAML_SIGNATURE_INVALID'],
    'moved to an element of another id': [`${parts.head.replace('_m', '_x')}${signature}${forged}`, 'CURFEW_SAML_SIGNATURE_SHAPE'],
    'pointing at a signed element inside': [
      `<p:m xmlns:p="urn:p" ID="_x">${signature}<p:name role="user">admin</p:name><p:more>${parts.head}${parts.tail}</p:more></p:m>`,
      'CURFEW_SAML_SIGNATURE_SHAPE'
    ],
    'with the signed element in its Object': [
      `<p:m xmlns:p="urn:p" ID="_x">${signature.replace('</ds:Signature>', `<ds:Object>${parts.head}${parts.tail}</ds:Object></ds:Signature>`)}${forged}`,
      'CURFEW_SAML_SIGNATURE_SHAPE'
    ],
    'with the signed element in its KeyInfo': [
      `<p:m xmlns:p="urn:p" ID="_x">${signature.replace('</ds:Signature>', `<ds:KeyInfo>${parts.head}${parts.tail}</ds:KeyInfo></ds:Signature>`)}${forged}`,
      'CURFEW_SAML_SIGNATURE_SHAPE'
    ],
    'with the same id twice': [`<p:m xmlns:p="urn:p" ID="_m">${signature}${forged.replace('<p:more>', '<p:more Id="_m">')}`, 'CURFEW_XML_ID'],
    'with the same id as xml:id': [signed.replace('<p:more>', '<p:more xml:id="_m">'), 'CURFEW_XML_ID'],
    'with the id under another name': [signed.replace('ID="_m"', 'Id="_m"'), 'CURFEW_SAML_SIGNATURE_SHAPE'],
    'after the content': [`${parts.head}${parts.tail.replace('</p:m>', `${signature}</p:m>`)}`, 'CURFEW_SAML_SIGNATURE_SHAPE'],
    twice: [signed.replace(signature, signature + signature), 'CURFEW_SAML_SIGNATURE_SHAPE'],
    'behind an Issuer of another namespace': [signed.replace(signature, `<p:Issuer></p:Issuer>${signature}`), 'CURFEW_SAML_SIGNATURE_SHAPE'],
    'inside a child': [`${parts.head}<p:name role="user">${signature}</p:name><p:more></p:more></p:m>`, 'CURFEW_SAML_SIGNATURE_MISSING'],
    'in another namespace': [signed.replaceAll('http://www.w3.org/2000/09/xmldsig#"', 'http://www.w3.org/2000/09/xmldsig"'), 'CURFEW_SAML_SIGNATURE_MISSING']
  }
  for (const [name, [xml, code]] of Object.entries(cases)) test(`refuses one ${name}`, () => assert.equal(outcome(xml), code))

  test('a child with an id of its own proves itself, not its parent', () => {
    const inner = verified(`<o>${signed}</o>`, (root) => childElements(root)[0] ?? root)
    assert.equal(attribute(inner.view, 'ID'), '_m')
    assert.equal(outcome(`<o>${signed}</o>`), 'CURFEW_SAML_SIGNATURE_MISSING')
  })
})

suite('Namespaces around what was signed', () => {
  test('a prefix bound to something else is refused', () => {
    assert.equal(outcome(signed.replace('xmlns:p="urn:p"', 'xmlns:p="urn:q"')), 'CURFEW_SAML_SIGNATURE_INVALID')
    assert.equal(outcome(signed.replace('<p:name role', '<p:name xmlns:p="urn:q" role')), 'CURFEW_SAML_SIGNATURE_INVALID')
  })

  test('a default namespace wrapped around names without prefix is refused', () => {
    const bare = { head: '<p:m xmlns:p="urn:p" ID="_m">', tail: '<name>ana</name></p:m>', id: '_m' }
    const xml = signEnvelopedSync(bare, partnerKey.signing)
    const inner = (root: XmlElement): XmlElement => childElements(root)[0] ?? root
    assert.equal(text(childElements(verified(`<o>${xml}</o>`, inner).view)[0] as XmlElement), 'ana')
    assert.equal(
      codeOf(() => verified(`<o xmlns="urn:evil">${xml}</o>`, inner)),
      'CURFEW_SAML_SIGNATURE_INVALID'
    )
    assert.equal(outcome(xml.replace('xmlns:p="urn:p"', 'xmlns:p="urn:p" xmlns="urn:evil"')), 'CURFEW_SAML_SIGNATURE_INVALID')
  })

  test('the same names under another prefix are another text', () => {
    assert.equal(outcome(signed.replaceAll(/(<\/?)p:/g, '$1q:').replace('xmlns:p', 'xmlns:q')), 'CURFEW_SAML_SIGNATURE_INVALID')
  })

  test('declarations that nothing uses change nothing', () => {
    assert.equal(outcome(signed.replace('xmlns:p="urn:p"', 'xmlns:z="urn:z" xmlns:p="urn:p"')), 'accepted')
  })

  test('a PrefixList binds what it lists, and only that', () => {
    const list = (xml: string): string =>
      xml.replace(
        '<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#">',
        '<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"><i:InclusiveNamespaces xmlns:i="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="z"></i:InclusiveNamespaces>'
      )
    const bound = (parts.head + parts.tail).replace('ID=', 'xmlns:z="urn:z" ID=')
    const digest = createHash('sha256').update(bound).digest('base64')
    const xml = withSignedInfo(
      (info) => list(info).replace(/<ds:DigestValue>[^<]*/, `<ds:DigestValue>${digest}`),
      (message) => message.replace('<p:m ', '<p:m xmlns:z="urn:z" ')
    )
    assert.equal(outcome(xml), 'accepted')
    assert.equal(outcome(xml.replace('xmlns:z="urn:z"', 'xmlns:z="urn:y"')), 'CURFEW_SAML_SIGNATURE_INVALID')
    assert.equal(outcome(xml.replace('xmlns:z="urn:z" ', '')), 'CURFEW_SAML_SIGNATURE_INVALID')
    assert.equal(outcome(xml.replace('<p:more>', '<p:more xmlns:z="urn:y">')), 'CURFEW_SAML_SIGNATURE_INVALID')
  })
})

suite('A SignedInfo that the right key signed and nobody should accept', () => {
  const transform = (uri: string): string => `<ds:Transform Algorithm="${uri}"></ds:Transform>`
  const enveloped = transform('http://www.w3.org/2000/09/xmldsig#enveloped-signature')
  const exclusive = transform('http://www.w3.org/2001/10/xml-exc-c14n#')
  const reference = (info: string): string => /<ds:Reference.*<\/ds:Reference>/.exec(info)?.[0] ?? ''
  const cases: Readonly<Record<string, readonly [(info: string) => string, string]>> = {
    'two References': [(info) => info.replace(reference(info), reference(info).repeat(2)), 'CURFEW_SAML_SIGNATURE_SHAPE'],
    'no Reference': [(info) => info.replace(reference(info), ''), 'CURFEW_SAML_SIGNATURE_SHAPE'],
    'a Reference to the whole document': [(info) => info.replace('URI="#_m"', 'URI=""'), 'CURFEW_SAML_SIGNATURE_SHAPE'],
    'a Reference without URI': [(info) => info.replace(' URI="#_m"', ''), 'CURFEW_SAML_SIGNATURE_SHAPE'],
    'a Reference by XPointer': [(info) => info.replace('#_m', "#xpointer(id('_m'))"), 'CURFEW_SAML_SIGNATURE_SHAPE'],
    'a Reference to a file': [(info) => info.replace('#_m', 'file:///etc/passwd'), 'CURFEW_SAML_SIGNATURE_SHAPE'],
    'another order of parts': [
      (info) => info.replace(reference(info), '').replace('<ds:SignedInfo>', `<ds:SignedInfo>${reference(info)}`),
      'CURFEW_SAML_SIGNATURE_SHAPE'
    ],
    'text between the parts': [(info) => info.replace('<ds:SignatureMethod', 'x<ds:SignatureMethod'), 'CURFEW_XML_TEXT_UNEXPECTED'],
    'parameters of the SignatureMethod': [
      (info) => info.replace('</ds:SignatureMethod>', '<ds:HMACOutputLength>1</ds:HMACOutputLength></ds:SignatureMethod>'),
      'CURFEW_SAML_SIGNATURE_SHAPE'
    ],
    'parameters of the DigestMethod': [(info) => info.replace('</ds:DigestMethod>', '<ds:x></ds:x></ds:DigestMethod>'), 'CURFEW_SAML_SIGNATURE_SHAPE'],
    'no Transforms': [(info) => info.replace(/<ds:Transforms>.*<\/ds:Transforms>/, ''), 'CURFEW_SAML_SIGNATURE_SHAPE'],
    'no transform': [(info) => info.replace(enveloped + exclusive, ''), 'CURFEW_SAML_ALGORITHM_REFUSED'],
    'one transform': [(info) => info.replace(exclusive, ''), 'CURFEW_SAML_ALGORITHM_REFUSED'],
    'three transforms': [(info) => info.replace(exclusive, exclusive + exclusive), 'CURFEW_SAML_ALGORITHM_REFUSED'],
    'transforms the other way round': [(info) => info.replace(enveloped + exclusive, exclusive + enveloped), 'CURFEW_SAML_ALGORITHM_REFUSED'],
    'a transform with parameters': [(info) => info.replace(enveloped, enveloped.replace('><', '><ds:XPath>1</ds:XPath><')), 'CURFEW_SAML_ALGORITHM_REFUSED'],
    'more prefixes than the limit': [
      (info) =>
        info.replace(
          exclusive,
          exclusive.replace(
            '><',
            `><i:InclusiveNamespaces xmlns:i="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="${Array.from({ length: 17 }, (_, i) => `p${i}`).join(' ')}"></i:InclusiveNamespaces><`
          )
        ),
      'CURFEW_SAML_SIGNATURE_SHAPE'
    ],
    'a digest that is cut off': [(info) => info.replace(/(<ds:DigestValue>[^<]{20})[^<]*/, '$1'), 'CURFEW_SAML_SIGNATURE_INVALID'],
    'an empty digest': [(info) => info.replace(/(<ds:DigestValue>)[^<]*/, '$1'), 'CURFEW_SAML_BASE64']
  }
  for (const uri of [
    'http://www.w3.org/TR/2001/REC-xml-c14n-20010315',
    'http://www.w3.org/2001/10/xml-exc-c14n#WithComments',
    'http://www.w3.org/2006/12/xml-c14n11',
    'http://www.w3.org/TR/1999/REC-xpath-19991116',
    'http://www.w3.org/2002/06/xmldsig-filter2',
    'http://www.w3.org/TR/1999/REC-xslt-19991116',
    'http://www.w3.org/2000/09/xmldsig#base64',
    'http://www.w3.org/2002/07/decrypt#XML'
  ]) {
    test(`refuses the transform ${uri}`, () => {
      assert.equal(outcome(withSignedInfo((info) => info.replace(exclusive, transform(uri)))), 'CURFEW_SAML_ALGORITHM_REFUSED')
      assert.equal(outcome(withSignedInfo((info) => info.replace(enveloped, transform(uri)))), 'CURFEW_SAML_ALGORITHM_REFUSED')
    })
    test(`refuses the canonicalisation ${uri}`, () => {
      assert.equal(
        outcome(withSignedInfo((info) => info.replace('Method Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"', `Method Algorithm="${uri}"`))),
        'CURFEW_SAML_ALGORITHM_REFUSED'
      )
    })
  }
  for (const [name, [edit, code]] of Object.entries(cases)) test(`refuses ${name}`, () => assert.equal(outcome(withSignedInfo(edit)), code))
  test('the message that these were made from is good', () => assert.equal(outcome(withSignedInfo((info) => info)), 'accepted'))

  for (const digest of ['http://www.w3.org/2001/04/xmldsig-more#md5', 'http://www.w3.org/2001/04/xmlenc#ripemd160', 'urn:x', ''])
    test(`refuses the digest "${digest}"`, () =>
      assert.equal(outcome(withSignedInfo((info) => info.replace('http://www.w3.org/2001/04/xmlenc#sha256', digest))), 'CURFEW_SAML_ALGORITHM_REFUSED'))
})

suite('Weak algorithms', () => {
  const sha1Info = (info: string): string =>
    info.replace('http://www.w3.org/2001/04/xmlenc#sha256', 'http://www.w3.org/2000/09/xmldsig#sha1').replace(
      /<ds:DigestValue>[^<]*/,
      `<ds:DigestValue>${createHash('sha1')
        .update(parts.head + parts.tail)
        .digest('base64')}`
    )

  test('a SHA-1 digest needs the symbol; the hash in the proof is SHA-256 all the same', () => {
    const xml = withSignedInfo(sha1Info)
    assert.equal(outcome(xml), 'CURFEW_SAML_ALGORITHM_REFUSED')
    for (const imitation of [true, 'unsafeAllowSha1', Symbol('unsafe: accept SHA-1 signatures of this peer')])
      assert.equal(outcome(xml, { sha1: imitation }), 'CURFEW_SAML_ALGORITHM_REFUSED')
    const { canonicalHash } = verified(xml, undefined, { sha1: unsafeAllowSha1 })
    assert.equal(canonicalHash, verified(signed).canonicalHash)
    assert.equal(
      canonicalHash,
      createHash('sha256')
        .update(parts.head + parts.tail)
        .digest('hex')
    )
  })

  test('an HMAC keyed with the public key is refused', () => {
    const uri = 'http://www.w3.org/2001/04/xmldsig-more#hmac-sha256'
    const info = (/<ds:SignedInfo>.*<\/ds:SignedInfo>/.exec(signature)?.[0] ?? '').replace(signatureUri('rsa-sha256'), uri)
    const secret = partnerKey.publicKey.export({ type: 'spki', format: 'pem' })
    const value = createHmac('sha256', secret)
      .update(info.replace('<ds:SignedInfo', '<ds:SignedInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"'))
      .digest('base64')
    const xml = signed.replace(/<ds:SignedInfo>.*<\/ds:SignedInfo>/, info).replace(/(<ds:SignatureValue>)[^<]*/, `$1${value}`)
    assert.equal(outcome(xml), 'CURFEW_SAML_ALGORITHM_REFUSED')
  })
})

suite('No key is taken from KeyInfo', () => {
  const { n = '', e = '' } = foreignKey.publicKey.export({ format: 'jwk' })
  const base64 = (url: string): string => Buffer.from(url, 'base64url').toString('base64')
  const contents: Readonly<Record<string, string>> = {
    'another key': `<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>${base64(n)}</ds:Modulus><ds:Exponent>${base64(e)}</ds:Exponent></ds:RSAKeyValue></ds:KeyValue>`,
    'an address to fetch a key from': '<ds:RetrievalMethod URI="https://evil.example/key"></ds:RetrievalMethod>',
    'a name': '<ds:KeyName>partner</ds:KeyName>'
  }
  for (const [name, inner] of Object.entries(contents)) {
    test(`${name} in it changes nothing`, () => {
      const add = (xml: string): string => xml.replace('</ds:Signature>', `<ds:KeyInfo>${inner}</ds:KeyInfo></ds:Signature>`)
      assert.equal(outcome(add(signed)), 'accepted')
      assert.equal(outcome(add(signEnvelopedSync(parts, foreignKey.signing))), 'CURFEW_SAML_SIGNATURE_INVALID')
    })
  }

  test('two of it are refused', () => {
    assert.equal(
      outcome(signed.replace('</ds:Signature>', `${'<ds:KeyInfo><ds:KeyName>a</ds:KeyName></ds:KeyInfo>'.repeat(2)}</ds:Signature>`)),
      'CURFEW_SAML_SIGNATURE_SHAPE'
    )
  })
})
