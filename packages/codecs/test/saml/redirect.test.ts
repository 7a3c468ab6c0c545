import assert from 'node:assert/strict'
import { deflateRawSync, deflateSync } from 'node:zlib'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { decodeRedirect, encodeRedirect, redirectOctets, redirectUrl, serialiseLogoutRequest, signBytesSync, verifyLogoutRequest } from '../../src/index.ts'
import { foreignKey, keysByAlgorithm, partnerKey } from '../support/keys.ts'
import { codeOf, logoutRequest, partner, peer } from '../support/messages.ts'

const parts = serialiseLogoutRequest(logoutRequest)
const xml = parts.head + parts.tail
const url = await encodeRedirect('https://login.example/idp/SLO.saml2', { parameter: 'SAMLRequest', xml, relayState: 'a b/c' }, partnerKey.signing)
const query = url.slice(url.indexOf('?') + 1)
const read = (raw: string) => verifyLogoutRequest(decodeRedirect(raw), peer)
const packed = (bytes: Buffer): string => encodeURIComponent(bytes.toString('base64'))
/** A query that is signed over exactly these octets. */
const signedOver = (octets: string): string => `${octets}&Signature=${encodeURIComponent(signBytesSync(octets, partnerKey.signing).toString('base64'))}`
const algorithm = encodeURIComponent('http://www.w3.org/2001/04/xmldsig-more#rsa-sha256')

function outcomeOf(decode: () => string | undefined): string | undefined {
  try {
    return decode()
  } catch {
    return undefined
  }
}

suite('SAML Bindings 3.4: HTTP Redirect', () => {
  test('what was encoded is decoded', () => {
    const received = decodeRedirect(query)
    assert.equal(received.relayState, 'a b/c')
    assert.deepEqual(verifyLogoutRequest(received, peer).sessionIndexes, logoutRequest.sessionIndexes)
  })

  for (const [name, key] of Object.entries(keysByAlgorithm)) {
    test(`signs and verifies with ${name}`, async () => {
      const own = await encodeRedirect('https://x.example/', { parameter: 'SAMLRequest', xml }, key.signing)
      assert.equal(verifyLogoutRequest(decodeRedirect(own.slice(own.indexOf('?') + 1)), { entityId: partner, keys: [key.verification] }).id, '_request1')
    })
  }

  test('building the query, signing it and putting both together are the same as one call', () => {
    const octets = redirectOctets({ parameter: 'SAMLRequest', xml, relayState: 'a b/c' }, 'rsa-sha256')
    assert.equal(redirectUrl('https://login.example/idp/SLO.saml2', octets, signBytesSync(octets, partnerKey.signing)), url)
  })

  test('an endpoint keeps the query that it has', async () => {
    const own = await encodeRedirect('https://x.example/slo?tenant=7', { parameter: 'SAMLRequest', xml }, partnerKey.signing)
    assert.match(own, /^https:\/\/x\.example\/slo\?tenant=7&SAMLRequest=/)
    assert.equal(read(own.slice(own.indexOf('?') + 1)).id, '_request1')
  })

  test('parameters in another order are read, and the signature covers them in the order of the standard', () => {
    const [message, relay, sigAlg, signature] = query.split('&')
    assert.equal(read([signature, sigAlg, relay, message].join('&')).id, '_request1')
  })

  test('the signature covers the octets as received: lower-case percent-encoding is its own text', () => {
    const lower = `SAMLRequest=${packed(deflateRawSync(xml)).replace(/%[0-9A-F]{2}/g, (hex) => hex.toLowerCase())}&SigAlg=${algorithm}`
    assert.equal(read(signedOver(lower)).id, '_request1')
    const recoded = signedOver(lower).replace(/%[0-9a-f]{2}/g, (hex) => hex.toUpperCase())
    if (recoded !== signedOver(lower))
      assert.equal(
        codeOf(() => read(recoded)),
        'CURFEW_SAML_SIGNATURE_INVALID'
      )
  })

  test('a stored DEFLATE block is a DEFLATE stream', () => {
    assert.equal(read(signedOver(`SAMLRequest=${packed(deflateRawSync(xml, { level: 0 }))}&SigAlg=${algorithm}`)).id, '_request1')
  })

  test('an empty RelayState is signed as it is', () => {
    assert.equal(decodeRedirect(signedOver(`SAMLRequest=${packed(deflateRawSync(xml))}&RelayState=&SigAlg=${algorithm}`)).relayState, '')
  })

  test('any percent-encoding is read as the standard decoder reads it, or refused where that refuses', () => {
    const piece = fc.constantFrom('%', '2', 'B', 'b', 'F', '3', 'D', '%2B', '%2f', '%3D', '%25', '%41', '%C3%A9', '%FF', '+', '=', '/', 'x', '%00')
    const start = `SAMLRequest=${packed(deflateRawSync(xml))}&RelayState=`
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
        (raw) => {
          const ours = outcomeOf(() => decodeRedirect(start + raw).relayState)
          assert.equal(
            ours,
            outcomeOf(() => decodeURIComponent(raw.replaceAll('+', ' ')))
          )
        }
      ),
      { numRuns: 2_000 }
    )
  })

  test('foreign parameters are left alone', () => {
    assert.equal(read(`x=1&${query}&utm_source=y`).id, '_request1')
  })
})

suite('HTTP Redirect: what is refused', () => {
  const message = query.split('&')[0] ?? ''
  const cases: Readonly<Record<string, readonly [string, string]>> = {
    'AC-145 no signature': [message, 'CURFEW_SAML_SIGNATURE_MISSING'],
    'AC-145 a signature of somebody else': [
      `${message}&SigAlg=${algorithm}&Signature=${encodeURIComponent(signBytesSync(`${message}&SigAlg=${algorithm}`, foreignKey.signing).toString('base64'))}`,
      'CURFEW_SAML_SIGNATURE_INVALID'
    ],
    'AC-145 a changed RelayState': [query.replace(/RelayState=[^&]*/, 'RelayState=evil'), 'CURFEW_SAML_SIGNATURE_INVALID'],
    'a removed RelayState': [query.replace(/&RelayState=[^&]*/, ''), 'CURFEW_SAML_SIGNATURE_INVALID'],
    'SigAlg without Signature': [query.replace(/&Signature=.*/, ''), 'CURFEW_SAML_QUERY'],
    'Signature without SigAlg': [query.replace(/&SigAlg=[^&]*/, ''), 'CURFEW_SAML_QUERY'],
    'SHA-1': [query.replace(/SigAlg=[^&]*/, `SigAlg=${encodeURIComponent('http://www.w3.org/2000/09/xmldsig#rsa-sha1')}`), 'CURFEW_SAML_ALGORITHM_REFUSED'],
    'the message twice': [`${query}&${message}`, 'CURFEW_SAML_QUERY'],
    'RelayState twice': [`${query}&RelayState=x`, 'CURFEW_SAML_QUERY'],
    'Signature twice': [`${query}&Signature=AAAA`, 'CURFEW_SAML_QUERY'],
    'an encoded name': [`${query}&SAML%52equest=x`, 'CURFEW_SAML_QUERY'],
    'request and response together': [`${query}&SAMLResponse=x`, 'CURFEW_SAML_QUERY'],
    neither: ['RelayState=x', 'CURFEW_SAML_QUERY'],
    'a request under the name of a response': [query.replace('SAMLRequest=', 'SAMLResponse='), 'CURFEW_SAML_QUERY'],
    'another SAMLEncoding': [`${query}&SAMLEncoding=urn%3Ax`, 'CURFEW_SAML_QUERY'],
    'broken percent-encoding': [`SAMLRequest=%zz`, 'CURFEW_SAML_QUERY'],
    'no base64': ['SAMLRequest=%21%21%21%21', 'CURFEW_SAML_BASE64'],
    'a zlib header': [`SAMLRequest=${packed(deflateSync(xml))}`, 'CURFEW_SAML_DEFLATE'],
    'octets after the stream': [`SAMLRequest=${packed(Buffer.concat([deflateRawSync(xml), Buffer.from('xx')]))}`, 'CURFEW_SAML_DEFLATE'],
    'a stream that is cut': [`SAMLRequest=${packed(deflateRawSync(xml).subarray(0, 200))}`, 'CURFEW_SAML_DEFLATE'],
    'a bomb': [`SAMLRequest=${packed(deflateRawSync(Buffer.alloc(20_000_000, 32)))}`, 'CURFEW_SAML_DEFLATE_LIMIT'],
    'a query of more than 64 KiB': [`${query}&x=${'a'.repeat(70_000)}`, 'CURFEW_SAML_QUERY'],
    'a long RelayState': [signedOver(`SAMLRequest=${packed(deflateRawSync(xml))}&RelayState=${'a'.repeat(2_049)}&SigAlg=${algorithm}`), 'CURFEW_SAML_QUERY']
  }
  for (const [name, [raw, code]] of Object.entries(cases))
    test(`refuses ${name}`, () =>
      assert.equal(
        codeOf(() => read(raw)),
        code
      ))

  test('an enveloped signature inside a Redirect message proves nothing', async () => {
    const { signedRequest } = await import('../support/messages.ts')
    const received = decodeRedirect(`SAMLRequest=${packed(deflateRawSync(signedRequest))}`)
    assert.equal(received.isSigned, false)
    assert.equal(
      codeOf(() => verifyLogoutRequest(received, peer)),
      'CURFEW_SAML_SIGNATURE_MISSING'
    )
  })
})

suite('HTTP Redirect: through a browser', () => {
  test('whatever RelayState holds, the address stays as it was signed when a browser reads it', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({
          unit: fc.oneof(
            fc.constantFrom("'", '"', '<', '>', '`', '~', '!', '(', '*', '#', '\\', '{', '|', '^', ' '),
            fc.string({ minLength: 1, maxLength: 1 })
          ),
          maxLength: 20
        }),
        async (relayState) => {
          fc.pre(relayState.isWellFormed())
          const written = await encodeRedirect('https://login.example/idp/SLO.saml2', { parameter: 'SAMLRequest', xml, relayState }, partnerKey.signing)
          const read = new URL(written)
          assert.equal(read.href, written)
          assert.equal(decodeRedirect(read.search.slice(1)).relayState, relayState)
        }
      ),
      { numRuns: 60 }
    )
  })
})
