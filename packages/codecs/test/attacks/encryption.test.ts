import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'
import {
  CurfewError,
  encryptAssertion,
  serialiseAssertion,
  serialiseLogoutRequest,
  signEnvelopedSync,
  verifyLogoutRequest,
  verifyResponse
} from '../../src/index.ts'
import {
  canonical,
  cbcPeer,
  encryptedAssertion,
  encryptingPeer,
  ownPair,
  padded,
  sealFor,
  signedAssertionHere,
  strangerPair,
  wrapped
} from '../support/encryption.ts'
import { foreignKey, partnerKey } from '../support/keys.ts'
import { assertion, codeOf, logoutRequest, posted, responseXml, signedResponse } from '../support/messages.ts'

const seal = sealFor(ownPair)
const forged = { ...assertion, id: '_evil', subject: { ...assertion.subject, nameId: { value: 'admin' } } }
const unsigned = (a = forged): string => serialiseAssertion(a).head + serialiseAssertion(a).tail

/** Who a Response would sign in, or the code of its refusal. */
function accepted(inner: string, signs = false, peer = encryptingPeer): string {
  let name = ''
  const code = codeOf(() => {
    name = verifyResponse(posted(responseXml(inner, signs), 'SAMLResponse'), peer).assertion?.subject.nameId.value ?? ''
  })
  return code === 'accepted' ? name : code
}

suite('Signature wrapping through encryption', () => {
  const signature = /<ds:Signature .*?<\/ds:Signature>/.exec(signedAssertionHere)?.[0] ?? ''
  const bare = signedAssertionHere.replace(signature, '')
  const permutations: Readonly<Record<string, string>> = {
    'a forged assertion that anybody can encrypt': encryptAssertion(unsigned(), seal),
    'a forged one signed by somebody else': encryptAssertion(signEnvelopedSync(serialiseAssertion(forged), foreignKey.signing), seal),
    'a forged one with the signature of a real one': encryptAssertion(
      unsigned({ ...forged, id: assertion.id }).replace('</saml:Issuer>', `</saml:Issuer>${signature}`),
      seal
    ),
    'the real one inside the signature of a forged one': encryptAssertion(
      unsigned().replace('</saml:Issuer>', `</saml:Issuer>${signature.replace('</ds:Signature>', `<ds:Object>${bare}</ds:Object></ds:Signature>`)}`),
      seal
    ),
    'the real one in Advice of a forged one': encryptAssertion(
      unsigned().replace('<saml:AuthnStatement', `<saml:Advice>${signedAssertionHere}</saml:Advice><saml:AuthnStatement`),
      seal
    ),
    'the real one in plain beside a forged encrypted one': encryptAssertion(unsigned(), seal) + signedAssertionHere,
    'a forged encrypted one beside the real one': signedAssertionHere + encryptAssertion(unsigned(), seal),
    'two encrypted ones': encryptAssertion(unsigned(), seal) + encryptedAssertion,
    'the real one in plain inside the encrypted element': encryptAssertion(unsigned(), seal).replace(
      '</saml:EncryptedAssertion>',
      `${signedAssertionHere}</saml:EncryptedAssertion>`
    ),
    'a whole Response inside': encryptAssertion(responseXml(signedAssertionHere, true), seal),
    'an encrypted assertion inside the encrypted one': encryptAssertion(encryptedAssertion, seal),
    'a LogoutResponse inside': encryptAssertion(signedResponse, seal),
    'an encrypted forged assertion in Extensions': signedAssertionHere
  }
  const extended = responseXml(signedAssertionHere).replace(
    '<samlp:Status>',
    `<samlp:Extensions>${encryptAssertion(unsigned(), seal)}</samlp:Extensions><samlp:Status>`
  )
  test('the plain way signs ana in', () => assert.equal(accepted(encryptedAssertion), 'ana'))
  for (const [name, inner] of Object.entries(permutations).slice(0, -1)) test(`refuses ${name}`, () => assert.match(accepted(inner), /^CURFEW_/))
  test('refuses an encrypted forged assertion in Extensions', () =>
    assert.equal(
      codeOf(() => verifyResponse(posted(extended, 'SAMLResponse'), encryptingPeer)),
      'CURFEW_SAML_STRUCTURE'
    ))

  test('what a signed Response encloses is signed; a signature inside that is wrong is refused all the same', () => {
    assert.equal(accepted(encryptAssertion(unsigned(assertion), seal), true), 'ana')
    assert.equal(accepted(encryptAssertion(signEnvelopedSync(serialiseAssertion(assertion), foreignKey.signing), seal), true), 'CURFEW_SAML_SIGNATURE_INVALID')
  })

  test('a signed Response with another encrypted assertion put in is refused before anything is decrypted', () => {
    const xml = responseXml(encryptedAssertion, true).replace(encryptedAssertion, encryptAssertion(unsigned(), seal))
    assert.equal(
      codeOf(() => verifyResponse(posted(xml, 'SAMLResponse'), encryptingPeer)),
      'CURFEW_SAML_SIGNATURE_INVALID'
    )
  })

  test('an encrypted identifier put into a signed LogoutRequest, or into a signed assertion', () => {
    const real = signEnvelopedSync(serialiseLogoutRequest(logoutRequest, seal), partnerKey.signing)
    const other = serialiseLogoutRequest({ ...logoutRequest, subject: { value: 'admin' } }, seal)
    const encrypted = /<saml:EncryptedID.*<\/saml:EncryptedID>/s
    const changed = real.replace(encrypted, encrypted.exec(other.tail)?.[0] ?? '')
    assert.equal(
      codeOf(() => verifyLogoutRequest(posted(changed), encryptingPeer)),
      'CURFEW_SAML_SIGNATURE_INVALID'
    )
    const assertionWith = signEnvelopedSync(serialiseAssertion(assertion, seal), partnerKey.signing)
    assert.equal(accepted(assertionWith.replace(encrypted, encrypted.exec(serialiseAssertion(forged, seal).tail)?.[0] ?? '')), 'CURFEW_SAML_SIGNATURE_INVALID')
  })

  test('an encrypted identifier that hides an assertion, or an identifier of another namespace', () => {
    const outcome = (plain: string): string => {
      const { tail, ...parts } = serialiseLogoutRequest(logoutRequest)
      const id = canonical(wrapped('EncryptedID', { plain }))
      const request = signEnvelopedSync({ ...parts, tail: tail.replace(/<saml:NameID.*<\/saml:NameID>/, id) }, partnerKey.signing)
      return codeOf(() => verifyLogoutRequest(posted(request), encryptingPeer))
    }
    assert.equal(outcome('<NameID xmlns="urn:oasis:names:tc:SAML:2.0:assertion">ana</NameID>'), 'accepted')
    for (const plain of [signedAssertionHere, '<NameID>ana</NameID>', '<x:NameID xmlns:x="urn:x">ana</x:NameID>', '<saml:NameID>ana</saml:NameID>', 'ana', ' '])
      assert.equal(outcome(plain), 'CURFEW_SAML_DECRYPTION')
    const split = '<NameID xmlns="urn:oasis:names:tc:SAML:2.0:assertion">an<b/>a</NameID>'
    assert.equal(outcome(split), 'CURFEW_XML_ELEMENT_UNEXPECTED')
    assert.equal(outcome(split.replace('<b/>', '<!-- -->')), 'CURFEW_SAML_DECRYPTION')
  })
})

/** The error as anybody would see it: code, words and facts. */
function seen(inner: string, signs: boolean): string {
  try {
    verifyResponse(posted(responseXml(signs ? canonical(inner) : inner, signs), 'SAMLResponse'), cbcPeer)
  } catch (error) {
    if (error instanceof CurfewError) return `${error.code} ${error.message} ${JSON.stringify(error.context)} ${String(error.cause)}`
    throw error
  }
  return 'accepted'
}

suite('Padding oracle: nothing tells why something could not be decrypted', () => {
  const flip = (at: number) => (octets: Buffer) => {
    const changed = Buffer.from(octets)
    changed[(at + changed.length) % changed.length] = (changed[(at + changed.length) % changed.length] ?? 0) ^ 1
    return changed
  }
  const plain = signedAssertionHere
  const failures: Readonly<Record<string, string>> = {
    'a key for somebody else': wrapped('EncryptedAssertion', { plain, to: strangerPair.publicKey }),
    'a changed key': wrapped('EncryptedAssertion', { plain, keyOctets: flip(-1) }),
    'a key of another length': wrapped('EncryptedAssertion', {
      plain,
      contentKey: randomBytes(16),
      cipher: 'aes-128-gcm',
      contentMethod: 'http://www.w3.org/2009/xmlenc11#aes256-gcm'
    }),
    'a shortened key': wrapped('EncryptedAssertion', { plain, keyOctets: (octets) => octets.subarray(1) }),
    'a changed tag': wrapped('EncryptedAssertion', { plain, octets: flip(-1) }),
    'a changed text': wrapped('EncryptedAssertion', { plain, octets: flip(40) }),
    'a changed IV': wrapped('EncryptedAssertion', { plain, octets: flip(0) }),
    'text that is no XML': wrapped('EncryptedAssertion', { plain: 'ana' }),
    'text that is no UTF-8': wrapped('EncryptedAssertion', { plain: Buffer.of(0xff, 0xfe, 0x00) }),
    'a document type inside': wrapped('EncryptedAssertion', { plain: `<!DOCTYPE a>${plain}` }),
    'two elements inside': wrapped('EncryptedAssertion', { plain: plain + plain }),
    'another element inside': wrapped('EncryptedAssertion', { plain: signedResponse }),
    'prefixes that are declared outside': wrapped('EncryptedAssertion', { plain: plain.replace(' xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"', '') }),
    'CBC with a padding of 0': wrapped('EncryptedAssertion', { plain, cipher: 'aes-128-cbc', padding: (p) => lastOctet(padded(p), 0) }),
    'CBC with a padding of 17': wrapped('EncryptedAssertion', { plain, cipher: 'aes-128-cbc', padding: (p) => lastOctet(padded(p), 17) }),
    'CBC with a padding of 255': wrapped('EncryptedAssertion', { plain, cipher: 'aes-128-cbc', padding: (p) => lastOctet(padded(p), 255) }),
    'CBC with a padding that cuts text': wrapped('EncryptedAssertion', {
      plain: `${plain}     `,
      cipher: 'aes-128-cbc',
      padding: (p) => lastOctet(padded(Buffer.concat([p, Buffer.alloc(15 - (p.length % 16), 0x20)])), 16)
    }),
    'CBC with a changed last block': wrapped('EncryptedAssertion', { plain, cipher: 'aes-256-cbc', octets: flip(-1) }),
    'CBC with a key for somebody else': wrapped('EncryptedAssertion', { plain, cipher: 'aes-256-cbc', to: strangerPair.publicKey })
  }
  const expected = 'CURFEW_SAML_DECRYPTION The encrypted part of the message can not be read. (what EncryptedAssertion) {"what":"EncryptedAssertion"} undefined'
  for (const [name, inner] of Object.entries(failures)) test(name, () => assert.equal(seen(inner, true), expected))

  test('the same words whether a signature surrounds it or not, for what is readable without', () => {
    for (const [name, inner] of Object.entries(failures)) if (!name.startsWith('CBC')) assert.equal(seen(inner, false), expected, name)
  })

  test('what can be read and is not signed, or wrongly, says no more than what can not be read', () => {
    const inside: Readonly<Record<string, string>> = {
      'no signature': unsigned(),
      'the signature of somebody else': signEnvelopedSync(serialiseAssertion(forged), foreignKey.signing),
      'a signature over another text': signedAssertionHere.replace('>ana<', '>admin<'),
      'another message inside': signedAssertionHere.replace('<saml:AuthnStatement', `<saml:Advice>${signedAssertionHere}</saml:Advice><saml:AuthnStatement`)
    }
    const answers = Object.values(inside).map((plain) => {
      try {
        verifyResponse(posted(responseXml(encryptAssertion(plain, seal)), 'SAMLResponse'), encryptingPeer)
        return 'accepted'
      } catch (error) {
        if (error instanceof CurfewError) return `${error.code} ${String(error.context['what'])} ${String(error.cause)}`
        throw error
      }
    })
    assert.deepEqual([...new Set(answers)], ['CURFEW_SAML_DECRYPTION EncryptedAssertion undefined'])
  })

  test('an EncryptedID that can not be read says no more, whatever was wrong with it', () => {
    const plain = '<NameID xmlns="urn:oasis:names:tc:SAML:2.0:assertion">ana</NameID>'
    const answers = Object.entries({
      'a key for somebody else': { plain, to: strangerPair.publicKey },
      'a changed key': { plain, keyOctets: flip(-1) },
      'a changed tag': { plain, octets: flip(-1) },
      'a changed text': { plain, octets: flip(20) },
      'no XML': { plain: 'ana' },
      'another element': { plain: signedAssertionHere },
      'CBC with a padding of 0': { plain, cipher: 'aes-128-cbc', padding: (p: Buffer) => lastOctet(padded(p), 0) },
      'CBC with a changed last block': { plain, cipher: 'aes-128-cbc', octets: flip(-1) }
    } as const).map(([name, parts]) => {
      const { tail, ...rest } = serialiseLogoutRequest(logoutRequest)
      const request = signEnvelopedSync(
        { ...rest, tail: tail.replace(/<saml:NameID.*<\/saml:NameID>/, canonical(wrapped('EncryptedID', parts))) },
        partnerKey.signing
      )
      try {
        verifyLogoutRequest(posted(request), cbcPeer)
        return `${name}: accepted`
      } catch (error) {
        if (error instanceof CurfewError) return `${error.code} ${error.message} ${JSON.stringify(error.context)} ${String(error.cause)}`
        throw error
      }
    })
    assert.deepEqual([...new Set(answers)], [expected.replaceAll('EncryptedAssertion', 'EncryptedID')])
  })

  test('all 256 last octets of a CBC text give one answer', () => {
    const answers = new Set<string>()
    for (let octet = 0; octet < 256; octet++) {
      const octets = (whole: Buffer): Buffer => {
        const changed = Buffer.from(whole)
        const at = changed.length - 17
        changed[at] = (changed[at] ?? 0) ^ octet
        return changed
      }
      const inner = wrapped('EncryptedAssertion', { plain: 'no XML at all, but long enough for two blocks', cipher: 'aes-128-cbc', octets })
      answers.add(seen(inner, true))
    }
    assert.deepEqual([...answers], [expected])
  })
})

function lastOctet(octets: Buffer, value: number): Buffer {
  octets[octets.length - 1] = value
  return octets
}
