import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import {
  CurfewError,
  decodeSoap,
  encodeSoap,
  serialiseLogoutResponse,
  signMessage,
  status,
  statusUri,
  verificationKeyFromCertificate,
  verifyLogoutRequest
} from '@curfew/codecs'
import { makeConnection } from '../../../src/authority/saml/connection.ts'
import { fixedConnections } from '../../../src/authority/saml/connections.ts'
import { createSamlSender } from '../../../src/authority/saml/saml-sender.ts'
import type { SendRequest, SendResult } from '../../../src/engine/sender.ts'
import { createIds } from '../../../src/platform/ids.ts'
import type { OutboundRequest, OutboundResponse } from '../../../src/platform/outbound.ts'
import { systemRandom } from '../../../src/platform/random.ts'
import { startMs } from '../fake-clock.ts'
import { makeKeyPair } from '../key-pairs.ts'

const own = makeKeyPair('curfew')
const peer = makeKeyPair('peer')
const url = 'http://peer.test/soap'

const connection = makeConnection({
  settings: { id: 'peer', entityId: 'urn:peer', acs: [{ binding: 'post', url: 'http://peer.test/acs' }], slo: [{ binding: 'soap', url }] },
  descriptor: undefined,
  certificates: [peer.certificatePem],
  ownKeys: [{ key: own.key, algorithm: 'ecdsa-sha256', certificate: own.certificate }],
  nowMs: startMs
})

const send = {
  run: { reason: 'user', policy: { sendTimeoutMs: 5000 } },
  delivery: {
    peerId: 'peer',
    nameId: { value: 'n', format: 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent', nameQualifier: 'urn:idp', spNameQualifier: 'urn:peer' },
    sessionIndex: 'index',
    assertionNotOnOrAfterMs: startMs + 30 * 60_000
  },
  channel: { kind: 'server', binding: 'soap', url },
  attempt: 1,
  messageId: '_message',
  nowMs: startMs
} as unknown as SendRequest

async function answerWith(
  network: (request: OutboundRequest) => Promise<Partial<OutboundResponse>>,
  signal = new AbortController().signal
): Promise<SendResult> {
  const outbound = {
    request: async (request: OutboundRequest) => ({
      status: 200,
      headers: { 'content-type': 'text/xml' },
      body: Buffer.alloc(0),
      durationMs: 1,
      ...(await network(request))
    })
  }
  const sender = createSamlSender({
    entityId: 'urn:idp',
    connections: fixedConnections([connection]),
    ids: createIds(systemRandom),
    outbound,
    random: systemRandom,
    artifacts: { put: async () => '' }
  })
  return sender.send(send, signal)
}

interface Answer {
  readonly key?: typeof peer | undefined
  readonly inResponseTo?: string
  readonly issuer?: string
  readonly said?: ReturnType<typeof status.success>
}

async function soapAnswer({ key, inResponseTo = '_message', issuer = 'urn:peer', said = status.success() }: Answer): Promise<Partial<OutboundResponse>> {
  const parts = serialiseLogoutResponse({
    kind: 'LogoutResponse',
    id: '_answer',
    issuer,
    issueInstant: Temporal.Instant.fromEpochMilliseconds(startMs),
    inResponseTo,
    status: said
  })
  const xml = key === undefined ? parts.head + parts.tail : await signMessage(parts, { key: key.key, algorithm: 'ecdsa-sha256' })
  return { body: Buffer.from(encodeSoap(xml)) }
}

suite('the SAML sender by SOAP', () => {
  test('repeats the identifier exactly, and is valid as long as the newest assertion', async () => {
    let sent: OutboundRequest | undefined
    await answerWith(async (request) => {
      sent = request
      return {}
    })
    const told = verifyLogoutRequest(decodeSoap(Buffer.from(sent?.body ?? '')), {
      entityId: 'urn:idp',
      keys: [verificationKeyFromCertificate(own.certificate)]
    })
    assert.deepEqual(told.subject, send.delivery.nameId)
    assert.deepEqual(told.sessionIndexes, ['index'])
    assert.equal(told.id, '_message')
    assert.equal(told.destination, url)
    assert.equal(told.notOnOrAfter?.epochMilliseconds, startMs + 30 * 60_000)
    assert.equal(sent?.headers?.['soapaction'], '"http://www.oasis-open.org/committees/security"')
    assert.equal(sent?.timeoutMs, 5000)
  })

  test('counts a verified Success as ended, with the proof', async () => {
    const result = await answerWith(() => soapAnswer({ key: peer }))
    assert.deepEqual({ ...result, proof: undefined }, { kind: 'confirmed', result: 'ended', proof: undefined })
    assert.ok(result.kind === 'confirmed' && result.proof.kind === 'signed-answer' && /^[0-9a-f]{64}$/.test(result.proof.hash))
  })

  for (const [name, answer, expected] of [
    ['UnknownPrincipal', { key: peer, said: status.requester(statusUri.unknownPrincipal) }, { kind: 'confirmed', result: 'already-ended' }],
    ['Success with PartialLogout', { key: peer, said: status.partialLogout() }, { kind: 'refused', code: 'CURFEW_SAML_LOGOUT_PARTIAL' }],
    ['Responder', { key: peer, said: status.responder() }, { kind: 'refused', code: 'CURFEW_SAML_LOGOUT_REFUSED' }],
    ['RequestDenied', { key: peer, said: status.requester(statusUri.requestDenied) }, { kind: 'refused', code: 'CURFEW_SAML_LOGOUT_REFUSED' }],
    ['an unsigned Success', { key: undefined }, { kind: 'unusable-answer', code: 'CURFEW_SAML_SIGNATURE_MISSING' }],
    ['a Success signed with another key', { key: own }, { kind: 'unusable-answer' }],
    ['a Success to another request', { key: peer, inResponseTo: '_other' }, { kind: 'unusable-answer', code: 'CURFEW_SAML_IN_RESPONSE_TO' }],
    ['a Success in the name of another', { key: peer, issuer: 'urn:other' }, { kind: 'unusable-answer', code: 'CURFEW_SAML_ISSUER_WRONG' }]
  ] as const) {
    test(`reads ${name} as ${expected.kind}`, async () => {
      assert.partialDeepStrictEqual(await answerWith(() => soapAnswer(answer)), expected)
    })
  }

  for (const [name, network, expected] of [
    [
      'a web page with status 200',
      async () => ({ headers: { 'content-type': 'text/html' } }),
      { kind: 'unusable-answer', code: 'CURFEW_SAML_ANSWER_NOT_SAML' }
    ],
    ['status 503', async () => ({ status: 503, headers: {} }), { kind: 'failed', why: 'unreachable', retryable: true }],
    ['a redirect', async () => ({ status: 302, headers: {} }), { kind: 'unusable-answer' }],
    ['a time-out', () => Promise.reject(new CurfewError('CURFEW_OUTBOUND_TIMEOUT')), { kind: 'failed', why: 'timed-out', retryable: true }],
    ['no connection', () => Promise.reject(new CurfewError('CURFEW_OUTBOUND_UNREACHABLE')), { kind: 'failed', why: 'unreachable', retryable: true }],
    [
      'an address that is not allowed',
      () => Promise.reject(new CurfewError('CURFEW_OUTBOUND_ADDRESS_FORBIDDEN')),
      { kind: 'failed', why: 'unreachable', retryable: false }
    ]
  ] as const) {
    test(`reads ${name} as ${expected.kind}`, async () => {
      assert.partialDeepStrictEqual(await answerWith(network as (request: OutboundRequest) => Promise<Partial<OutboundResponse>>), expected)
    })
  }
})
