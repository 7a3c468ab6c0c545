import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import {
  artifactUrl,
  carriedArtifact,
  decodeArtifact,
  decodePost,
  decodeSoap,
  encodeArtifact,
  encodeSoap,
  openArtifactResponse,
  proofOf,
  serialiseArtifactResolve,
  serialiseArtifactResponse,
  serialiseLogoutRequest,
  serialiseLogoutResponse,
  signEnvelopedSync,
  sourceIdOf,
  validateArtifactResolve,
  verifyArtifactResolve,
  verifyLogoutRequest,
  verifyLogoutResponse,
  verifyResponse
} from '../../src/index.ts'
import { artifactAnswer, carrying, opened } from '../support/artifact.ts'
import { partnerKey } from '../support/keys.ts'
import { codeOf, here, logoutRequest, logoutResponse, now, partner, peer, responseXml, signedRequest, signedResponse } from '../support/messages.ts'

const handle = Buffer.alloc(20, 7)
const artifact = encodeArtifact(partner, 5, handle)
const unsigned = (parts: { head: string; tail: string }): string => parts.head + parts.tail

suite('SAML Bindings 3.6.4: artifact of type 0x0004', () => {
  test('is 44 octets: type, index, SHA-1 of the entity ID, handle', () => {
    const octets = Buffer.from(artifact, 'base64')
    assert.equal(octets.length, 44)
    assert.equal(octets.subarray(0, 4).toString('hex'), '00040005')
    // printf %s https://partner.example/saml | openssl sha1
    assert.equal(octets.subarray(4, 24).toString('hex'), '4e184ce5c50259fa63104cfb1c5e52b6b1e1886f')
    assert.deepEqual(octets.subarray(24), handle)
  })

  test('is read as it was written, at every index', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1 }),
        fc.integer({ min: 0, max: 65_535 }),
        fc.uint8Array({ minLength: 20, maxLength: 20 }),
        (entityId, index, octets) => {
          assert.deepEqual(decodeArtifact(encodeArtifact(entityId, index, octets)), {
            endpointIndex: index,
            sourceId: sourceIdOf(entityId),
            messageHandle: Buffer.from(octets).toString('hex')
          })
        }
      ),
      { numRuns: 200 }
    )
  })

  const broken: Readonly<Record<string, string>> = {
    empty: '',
    'one octet short': Buffer.from(artifact, 'base64').subarray(1).toString('base64'),
    'one octet long': Buffer.concat([Buffer.from(artifact, 'base64'), Buffer.alloc(1)]).toString('base64'),
    'another type': `AAM${artifact.slice(3)}`,
    'white space': `${artifact.slice(0, 20)}\n${artifact.slice(20)}`,
    'no padding': artifact.replace(/=+$/, ''),
    'bits behind the end': `${artifact.slice(0, -2)}d=`,
    'the alphabet of addresses': encodeArtifact(partner, 5, Buffer.alloc(20, 255)).replaceAll('/', '_').replaceAll('+', '-')
  }
  for (const [name, text] of Object.entries(broken)) {
    test(`refuses ${name}: one artifact has one text`, () => {
      assert.equal(
        codeOf(() => decodeArtifact(text)),
        'CURFEW_SAML_ARTIFACT'
      )
    })
  }

  test('a handle of another length is a mistake of the caller', () => {
    assert.throws(() => encodeArtifact(partner, 0, Buffer.alloc(19)), TypeError)
    assert.throws(() => encodeArtifact(partner, 65_536, handle), RangeError)
  })
})

suite('SAML Bindings 3.6.3: an artifact on its way', () => {
  test('an address carries it with RelayState, and keeps its own query', () => {
    const url = new URL(artifactUrl('https://partner.example/acs?tenant=7', artifact, 'a b&c'))
    assert.equal(url.searchParams.get('tenant'), '7')
    const carried = carriedArtifact([...url.searchParams])
    assert.equal(carried?.text, artifact)
    assert.equal(carried.artifact.endpointIndex, 5)
    assert.equal(carried.relayState, 'a b&c')
  })

  test('where there is none there is none', () => {
    assert.equal(carriedArtifact([['SAMLRequest', 'x']]), undefined)
    assert.equal(carriedArtifact([['samlart', artifact]]), undefined)
  })

  test('nothing may stand beside it, and nothing twice', () => {
    for (const pairs of [
      [
        ['SAMLart', artifact],
        ['SAMLart', artifact]
      ],
      [
        ['SAMLart', artifact],
        ['SAMLResponse', 'x']
      ],
      [
        ['SAMLRequest', 'x'],
        ['SAMLart', artifact]
      ],
      [
        ['SAMLart', artifact],
        ['RelayState', 'a'],
        ['RelayState', 'b']
      ],
      [
        ['SAMLart', artifact],
        ['RelayState', 'x'.repeat(2049)]
      ]
    ] as const)
      assert.equal(
        codeOf(() => carriedArtifact(pairs)),
        'CURFEW_SAML_QUERY'
      )
  })
})

suite('SAML Core 3.5.1: ArtifactResolve', () => {
  const parts = serialiseArtifactResolve({ kind: 'ArtifactResolve', id: '_resolve1', issuer: partner, issueInstant: now, destination: here, artifact })
  const received = decodeSoap(Buffer.from(encodeSoap(signEnvelopedSync(parts, partnerKey.signing))))

  test('is read as it was written, signed', () => {
    const message = verifyArtifactResolve(received, peer)
    assert.equal(message.artifact, artifact)
    validateArtifactResolve(message, { now, destinations: [here] })
    assert.equal(
      codeOf(() => validateArtifactResolve(message, { now, destinations: ['https://elsewhere.example'] })),
      'CURFEW_SAML_DESTINATION_WRONG'
    )
    assert.equal(
      codeOf(() => validateArtifactResolve(message, { now: now.add({ minutes: 10 }), destinations: [here] })),
      'CURFEW_SAML_EXPIRED'
    )
  })

  test('is read from an envelope with text beside the Body, as SimpleSAMLphp 1.19 writes it, and with none in the Body', () => {
    const xml = signEnvelopedSync(parts, partnerKey.signing)
    const envelope = (before: string, inside: string): Buffer =>
      Buffer.from(
        `<soap-env:Envelope xmlns:soap-env="http://schemas.xmlsoap.org/soap/envelope/">${before}<soap-env:Header/><soap-env:Body>${inside}${xml}</soap-env:Body></soap-env:Envelope>`
      )
    assert.equal(verifyArtifactResolve(decodeSoap(envelope('\\\n        ', '')), peer).artifact, artifact)
    assert.equal(
      codeOf(() => decodeSoap(envelope('', '\\'))),
      'CURFEW_XML_TEXT_UNEXPECTED'
    )
  })

  test('unsigned it comes from nobody', () => {
    assert.equal(
      codeOf(() => verifyArtifactResolve(decodeSoap(Buffer.from(encodeSoap(unsigned(parts)))), peer)),
      'CURFEW_SAML_SIGNATURE_MISSING'
    )
  })

  test('travels by SOAP alone', () => {
    const xml = Buffer.from(signEnvelopedSync(parts, partnerKey.signing)).toString('base64')
    for (const parameter of ['SAMLRequest', 'SAMLResponse'])
      assert.equal(
        codeOf(() => decodePost([[parameter, xml]])),
        'CURFEW_SAML_STRUCTURE'
      )
  })
})

suite('SAML Core 3.5.2: ArtifactResponse', () => {
  const messages: Readonly<Record<string, readonly [string, (xml: string) => string]>> = {
    'a LogoutRequest': [signedRequest, (xml) => verifyLogoutRequest(opened(xml), peer).id],
    'a LogoutResponse': [signedResponse, (xml) => verifyLogoutResponse(opened(xml), peer).id],
    'a signed Response': [responseXml(undefined, true), (xml) => verifyResponse(opened(xml), peer).id],
    'a Response around a signed assertion': [responseXml(), (xml) => verifyResponse(opened(xml), peer).id]
  }
  for (const [name, [message, read]] of Object.entries(messages)) {
    test(`carries ${name}; its signature and that of the answer are both good`, () => {
      assert.equal(read(carrying(message)), /ID="([^"]+)"/.exec(message)?.[1])
      assert.equal(read(carrying(message, { signs: false })), /ID="([^"]+)"/.exec(message)?.[1])
    })
  }

  test('its signature stands for a message that has none', () => {
    const bare = unsigned(serialiseLogoutRequest(logoutRequest))
    const message = verifyLogoutRequest(opened(carrying(bare)), peer)
    assert.deepEqual(message.subject, logoutRequest.subject)
    const proof = proofOf(message)
    assert.equal(proof.binding, 'artifact')
    assert.equal(proof.peer, partner)
    assert.equal(proof.signedBy, partnerKey.verification.fingerprint)
    assert.equal(opened(carrying(bare)).isSigned, true)
    assert.equal(
      codeOf(() => verifyLogoutRequest(opened(carrying(bare, { signs: false })), peer)),
      'CURFEW_SAML_SIGNATURE_MISSING'
    )
    const answer = unsigned(serialiseLogoutResponse(logoutResponse))
    assert.equal(verifyLogoutResponse(opened(carrying(answer)), peer).inResponseTo, logoutResponse.inResponseTo)
  })

  test('keeps the RelayState that came with the artifact', () => {
    const answer = decodeSoap(Buffer.from(encodeSoap(carrying(signedRequest))))
    assert.equal(openArtifactResponse(answer, peer, { requestId: '_resolve1', relayState: 'deep link' }).relayState, 'deep link')
    assert.equal(openArtifactResponse(answer, peer, { requestId: '_resolve1' }).relayState, undefined)
  })

  test('empty, or with another status than Success, is no message', () => {
    for (const xml of [
      carrying(undefined),
      carrying(signedRequest, { change: { status: { code: 'urn:oasis:names:tc:SAML:2.0:status:Requester', subcodes: [] } } })
    ])
      assert.equal(
        codeOf(() => opened(xml)),
        'CURFEW_SAML_ARTIFACT_UNRESOLVED'
      )
  })

  test('is canonical as it is written, around a message that is', () => {
    const { head, tail } = serialiseArtifactResponse(artifactAnswer, signedRequest)
    assert.ok(head.startsWith('<art:ArtifactResponse xmlns:art='))
    assert.ok(tail.includes(signedRequest))
  })
})
