import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import {
  decodeSoap,
  encodeSoap,
  proofOf,
  replayEntry,
  serialiseAuthnRequest,
  serialiseLogoutRequest,
  serialiseLogoutResponse,
  signEnvelopedSync,
  soapFault,
  type Status,
  status,
  statusUri,
  validateLogoutRequest,
  validateResponse,
  verifyAuthnRequest,
  verifyLogoutRequest,
  verifyLogoutResponse,
  verifyResponse
} from '../../src/index.ts'
import { partnerKey } from '../support/keys.ts'
import {
  assertion,
  codeOf,
  here,
  logoutRequest,
  logoutResponse,
  now,
  partner,
  peer,
  posted,
  responseXml,
  signedRequest,
  signedResponse
} from '../support/messages.ts'

const word = fc.string({ unit: fc.constantFrom('a', 'ü', '&', '<', '"', ' ', '\u{1F600}', '-'), minLength: 1, maxLength: 20 })
const signed = (parts: { head: string; tail: string; id: string }): string => signEnvelopedSync(parts, partnerKey.signing)

suite('SAML Core 3.7.1: LogoutRequest', () => {
  test('is read as it was written: names with qualifiers, none, one and many SessionIndexes, extension', () => {
    const requests = fc.record({
      subject: fc.record(
        {
          value: word,
          format: fc.option(fc.constant('urn:x'), { nil: undefined }),
          nameQualifier: fc.option(word, { nil: undefined }),
          spNameQualifier: fc.option(word, { nil: undefined })
        },
        { requiredKeys: ['value'] }
      ),
      sessionIndexes: fc.array(word, { maxLength: 5 }),
      asynchronous: fc.boolean()
    })
    fc.assert(
      fc.property(requests, (given) => {
        const subject = Object.fromEntries(Object.entries(given.subject).filter(([, v]) => v !== undefined)) as unknown as typeof logoutRequest.subject
        const message = verifyLogoutRequest(posted(signed(serialiseLogoutRequest({ ...logoutRequest, ...given, subject }))), peer)
        assert.deepEqual(message.subject, subject)
        assert.deepEqual(message.sessionIndexes, given.sessionIndexes)
        assert.equal(message.asynchronous, given.asynchronous)
      }),
      { numRuns: 100 }
    )
  })

  test('takes 256 SessionIndexes and not one more', () => {
    const many = (n: number): string => signed(serialiseLogoutRequest({ ...logoutRequest, sessionIndexes: Array.from({ length: n }, (_, i) => `i${i}`) }))
    assert.equal(verifyLogoutRequest(posted(many(256)), peer).sessionIndexes.length, 256)
    assert.equal(
      codeOf(() => verifyLogoutRequest(posted(many(257)), peer)),
      'CURFEW_SAML_LIMIT'
    )
  })

  test('children stand in the order of the schema', () => {
    const xml = signed(serialiseLogoutRequest({ ...logoutRequest, asynchronous: true }))
    const order = [...xml.matchAll(/<(saml:Issuer|ds:Signature|samlp:Extensions|saml:NameID|samlp:SessionIndex)[ >]/g)].map(([, name]) => name)
    assert.deepEqual(order, ['saml:Issuer', 'ds:Signature', 'samlp:Extensions', 'saml:NameID', 'samlp:SessionIndex', 'samlp:SessionIndex'])
  })

  test('a proof names the partner, the binding and the key', () => {
    const proof = proofOf(verifyLogoutRequest(posted(signedRequest), peer))
    assert.equal(proof.peer, partner)
    assert.equal(proof.binding, 'post')
    assert.equal(proof.signedBy, partnerKey.verification.fingerprint)
    assert.match(proof.messageHash, /^[0-9a-f]{64}$/)
  })

  test('a copy of a verified message is not verified', () => {
    const verified = verifyLogoutRequest(posted(signedRequest), peer)
    assert.throws(() => proofOf({ ...verified }), TypeError)
    assert.throws(() => proofOf(Object.create(verified) as typeof verified), TypeError)
    assert.ok(Object.isFrozen(verified))
    assert.deepEqual(Reflect.ownKeys(verified), Reflect.ownKeys({ ...verified }))
  })

  test('a request for another partner is refused whoever signed it', () => {
    assert.equal(
      codeOf(() => verifyLogoutRequest(posted(signedRequest), { ...peer, entityId: 'https://other.example' })),
      'CURFEW_SAML_ISSUER_WRONG'
    )
  })

  test('a message of another kind is refused', () => {
    assert.equal(
      codeOf(() => verifyLogoutRequest(posted(signedResponse, 'SAMLResponse'), peer)),
      'CURFEW_SAML_STRUCTURE'
    )
  })
})

suite('SAML Core 3.7.2: LogoutResponse', () => {
  const all: readonly Status[] = [
    status.success(),
    status.partialLogout(),
    status.requester(statusUri.unknownPrincipal, 'no & such'),
    status.responder(),
    { code: statusUri.responder, subcodes: ['urn:a', 'urn:b'] }
  ]
  for (const given of all) {
    test(`nested status codes are read in full: ${[given.code, ...given.subcodes].map((c) => c.split(':').at(-1)).join(' > ')}`, () => {
      assert.deepEqual(verifyLogoutResponse(posted(signed(serialiseLogoutResponse({ ...logoutResponse, status: given })), 'SAMLResponse'), peer).status, given)
    })
  }

  test('PartialLogout is success at the top and partial below', () => {
    assert.equal(status.isSuccess(status.partialLogout()), true)
    assert.equal(status.isPartialLogout(status.partialLogout()), true)
    assert.equal(status.isUnknownPrincipal(status.requester(statusUri.unknownPrincipal)), true)
  })
})

suite('AuthnRequest', () => {
  const base = {
    kind: 'AuthnRequest' as const,
    id: '_authn',
    issuer: partner,
    issueInstant: now,
    destination: here,
    forceAuthn: true,
    isPassive: false,
    assertionConsumerServiceIndex: 2,
    nameIdPolicy: { format: 'urn:x', allowCreate: true },
    requestedAuthnContext: { comparison: 'exact' as const, classRefs: ['urn:a', 'urn:b'] }
  }
  test('is read as it was written', () => {
    const { issueInstant, ...rest } = verifyAuthnRequest(posted(signed(serialiseAuthnRequest(base))), peer, { signature: 'required' })
    assert.deepEqual({ ...rest, issueInstant: issueInstant.toString() }, { ...base, issueInstant: now.toString() })
  })
  test('unsigned only where the connection says so; wrongly signed never', () => {
    const parts = serialiseAuthnRequest(base)
    const unsigned = posted(parts.head + parts.tail)
    assert.equal(
      codeOf(() => verifyAuthnRequest(unsigned, peer, { signature: 'required' })),
      'CURFEW_SAML_SIGNATURE_MISSING'
    )
    assert.equal(verifyAuthnRequest(unsigned, peer, { signature: 'optional' }).forceAuthn, true)
    assert.equal(
      codeOf(() => verifyAuthnRequest(posted(signed(parts).replace('_authn"', '_authx"')), peer, { signature: 'optional' })),
      'CURFEW_SAML_SIGNATURE_SHAPE'
    )
  })
})

suite('Response and Assertion', () => {
  test('are read as they were written', () => {
    const message = verifyResponse(posted(responseXml(), 'SAMLResponse'), peer)
    assert.deepEqual(message.assertion?.attributes, assertion.attributes)
    assert.deepEqual(message.assertion?.subject.nameId, assertion.subject.nameId)
    assert.equal(message.assertion?.authnStatement?.sessionIndex, 'index-1')
    assert.equal(message.inResponseTo, '_asked')
  })
  test('a signature over the whole Response serves too, and can be demanded', () => {
    assert.equal(
      codeOf(() => verifyResponse(posted(responseXml(), 'SAMLResponse'), peer, { wantResponseSigned: true })),
      'CURFEW_SAML_SIGNATURE_MISSING'
    )
    assert.equal(
      codeOf(() => verifyResponse(posted(responseXml(undefined, true), 'SAMLResponse'), peer, { wantResponseSigned: true })),
      'accepted'
    )
  })

  const context = { now, consumerUrl: here, audience: 'https://login.example', inResponseTo: '_asked' }
  const check = (more: Partial<typeof context> = {}): string =>
    codeOf(() => validateResponse(verifyResponse(posted(responseXml(), 'SAMLResponse'), peer), { ...context, ...more }))
  test('the rules of the profile: audience, recipient, time, request', () => {
    assert.equal(check(), 'accepted')
    assert.equal(check({ audience: 'https://other.example' }), 'CURFEW_SAML_AUDIENCE_WRONG')
    assert.equal(check({ consumerUrl: 'https://other.example/acs' }), 'CURFEW_SAML_DESTINATION_WRONG')
    assert.equal(check({ now: now.add({ minutes: 7 }) }), 'CURFEW_SAML_CONDITIONS')
    assert.equal(check({ now: now.subtract({ minutes: 3 }) }), 'CURFEW_SAML_CONDITIONS')
    assert.equal(check({ inResponseTo: '_else' }), 'CURFEW_SAML_IN_RESPONSE_TO')
  })
  test('an assertion counts for nothing where the status says no', () => {
    const xml = responseXml().replace('status:Success', 'status:Responder')
    assert.equal(
      codeOf(() => validateResponse(verifyResponse(posted(xml, 'SAMLResponse'), peer), context)),
      'CURFEW_SAML_RESPONSE_STATUS'
    )
  })
})

suite('What every logout message must pass after its signature', () => {
  const check = (more: object = {}, ctx: object = {}): string =>
    codeOf(() =>
      validateLogoutRequest(verifyLogoutRequest(posted(signed(serialiseLogoutRequest({ ...logoutRequest, ...more }))), peer), {
        now,
        destinations: [here],
        ...ctx
      })
    )
  test('right address, right time', () => assert.equal(check(), 'accepted'))
  test('another Destination', () => assert.equal(check({ destination: 'https://login.example/other' }), 'CURFEW_SAML_DESTINATION_WRONG'))
  test('no Destination', () => {
    const { destination: _, ...without } = logoutRequest
    assert.equal(
      codeOf(() => validateLogoutRequest(verifyLogoutRequest(posted(signed(serialiseLogoutRequest(without))), peer), { now, destinations: [here] })),
      'CURFEW_SAML_DESTINATION_WRONG'
    )
  })
  test('NotOnOrAfter has passed, beyond the skew', () => {
    assert.equal(check({}, { now: now.add({ minutes: 5, seconds: 59 }) }), 'accepted')
    assert.equal(check({}, { now: now.add({ minutes: 6 }) }), 'CURFEW_SAML_EXPIRED')
  })
  test('issued in the future, beyond the skew', () => {
    assert.equal(check({}, { now: now.subtract({ seconds: 60 }) }), 'accepted')
    assert.equal(check({}, { now: now.subtract({ seconds: 61 }) }), 'CURFEW_SAML_ISSUE_INSTANT')
  })
  test('the replay entry outlives the message', () => {
    const entry = replayEntry(verifyLogoutRequest(posted(signedRequest), peer))
    assert.deepEqual(entry, { issuer: partner, id: '_request1', untilMs: now.add({ minutes: 6 }).epochMilliseconds })
  })
})

suite('SOAP binding', () => {
  test('one message in one body', () => {
    assert.equal(verifyLogoutRequest(decodeSoap(Buffer.from(encodeSoap(signedRequest))), peer).id, '_request1')
  })
  const envelope = (body: string, header = ''): Buffer =>
    Buffer.from(`<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/">${header}<s:Body>${body}</s:Body></s:Envelope>`)
  const refused: Readonly<Record<string, Buffer>> = {
    'two messages': envelope(signedRequest + signedRequest.replaceAll('_request1', '_request2')),
    'two bodies': Buffer.from(envelope(signedRequest).toString().replace('</s:Envelope>', '<s:Body></s:Body></s:Envelope>')),
    'an empty body': envelope(''),
    'a header that must be understood': envelope(signedRequest, '<s:Header><x xmlns="urn:x" s:mustUnderstand="1"></x></s:Header>'),
    'a fault': Buffer.from(soapFault('Server', 'down')),
    'SOAP 1.2': Buffer.from(
      envelope(signedRequest).toString().replaceAll('http://schemas.xmlsoap.org/soap/envelope/', 'http://www.w3.org/2003/05/soap-envelope')
    ),
    'no envelope': Buffer.from(signedRequest)
  }
  for (const [name, bytes] of Object.entries(refused))
    test(`refuses ${name}`, () =>
      assert.equal(
        codeOf(() => decodeSoap(bytes)),
        'CURFEW_SAML_SOAP'
      ))
  test('a header that may be ignored is ignored', () => {
    assert.equal(
      codeOf(() => decodeSoap(envelope(signedRequest, '<s:Header><x xmlns="urn:x"></x></s:Header>'))),
      'accepted'
    )
  })
  test('AC-145 an unsigned message by SOAP is refused', () => {
    const parts = serialiseLogoutRequest(logoutRequest)
    assert.equal(
      codeOf(() => verifyLogoutRequest(decodeSoap(Buffer.from(encodeSoap(parts.head + parts.tail))), peer)),
      'CURFEW_SAML_SIGNATURE_MISSING'
    )
  })
})
