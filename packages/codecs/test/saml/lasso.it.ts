import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createPublicKey } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import {
  type Assertion,
  bearerMethod,
  decodePost,
  decodeRedirect,
  decodeSoap,
  encodeRedirect,
  encodeSoap,
  encryptAssertion,
  instantText,
  type LogoutRequest,
  type LogoutResponse,
  nameIdFormat,
  type NameID,
  type Seal,
  serialiseAssertion,
  serialiseAuthnRequest,
  serialiseLogoutRequest,
  serialiseLogoutResponse,
  serialiseResponse,
  signEnvelopedSync,
  status,
  verifyAuthnRequest,
  verifyLogoutRequest,
  verifyLogoutResponse,
  verifyResponse
} from '../../src/index.ts'
import { decryptionOf, type Lasso, type LassoAnswer, ours, ourUrls, startLasso } from '../support/lasso.ts'
import { mutate } from '../support/mutate.ts'
import { codeOf } from '../support/messages.ts'
import { seeded, seedOfRun } from '../support/seeded.ts'

let lasso: Lasso
before(async () => {
  lasso = await startLasso()
})
after(async () => lasso[Symbol.asyncDispose]())

const now = (): Temporal.Instant => Temporal.Instant.fromEpochMilliseconds(Math.floor(Date.now() / 1000) * 1000)
let serial = 0
const nextId = (): string => `_ours${(serial += 1)}${'0'.repeat(20)}`
const queryOf = (url: string | undefined): string => (url ?? '').slice((url ?? '').indexOf('?') + 1)
const nameId = (spNameQualifier: string, issuer: string, value = 'a name & <more>'): NameID => ({
  value,
  format: nameIdFormat.persistent,
  nameQualifier: issuer,
  spNameQualifier
})

/** Our Response to the service provider that lasso is. */
function responseFor(requestId: string, subject: NameID, seals: { readonly assertion?: Seal; readonly nameId?: Seal } = {}, signs = false): string {
  const acs = 'https://sp.example/acs'
  const assertion: Assertion = {
    id: nextId(),
    issuer: ours,
    issueInstant: now(),
    subject: { nameId: subject, confirmations: [{ method: bearerMethod, recipient: acs, notOnOrAfter: now().add({ minutes: 5 }), inResponseTo: requestId }] },
    conditions: { notBefore: now().subtract({ minutes: 1 }), notOnOrAfter: now().add({ minutes: 5 }), audienceRestrictions: [['urn:lasso:sp']] },
    authnStatement: { authnInstant: now(), sessionIndex: 'index "1" & more', classRef: 'urn:oasis:names:tc:SAML:2.0:ac:classes:Password' },
    attributes: [{ name: 'mail', values: ['a@example.com'] }]
  }
  const signed = signEnvelopedSync(serialiseAssertion(assertion, seals.nameId), lasso.own.signing)
  const carried = seals.assertion === undefined ? signed : encryptAssertion(signed, seals.assertion)
  const parts = serialiseResponse(
    { kind: 'Response', id: nextId(), issuer: ours, issueInstant: now(), destination: acs, inResponseTo: requestId, status: status.success() },
    carried
  )
  return Buffer.from(signs ? signEnvelopedSync(parts, lasso.own.signing) : parts.head + parts.tail).toString('base64')
}

async function signInAtLassoSp(seals: Parameters<typeof responseFor>[2] = {}, signs = false): Promise<LassoAnswer> {
  const asked = await lasso.ask({ do: 'authnRequest' })
  const request = verifyAuthnRequest(decodeRedirect(queryOf(asked.url)), lasso.sp.keys, { signature: 'required' })
  assert.equal(request.id, asked.id)
  return lasso.ask({ do: 'acceptResponse', message: responseFor(request.id, nameId('urn:lasso:sp', ours), seals, signs) })
}

/** Our LogoutRequest to lasso in one of its roles. */
function ourLogout(role: 'sp' | 'idp', method: 'redirect' | 'soap', subject: NameID, index: string): LogoutRequest {
  return {
    kind: 'LogoutRequest',
    id: nextId(),
    issuer: ours,
    issueInstant: now(),
    destination: `https://${role}.example/${method === 'soap' ? 'soap' : 'slo'}`,
    notOnOrAfter: now().add({ minutes: 5 }),
    reason: 'urn:oasis:names:tc:SAML:2.0:logout:user',
    subject,
    sessionIndexes: [index],
    asynchronous: false
  }
}

async function sendLogout(role: 'sp' | 'idp', method: 'redirect' | 'soap', request: LogoutRequest, seal?: Seal): Promise<string> {
  const parts = serialiseLogoutRequest(request, seal)
  if (method === 'soap') return encodeSoap(signEnvelopedSync(parts, lasso.own.signing))
  return queryOf(await encodeRedirect(request.destination ?? '', { parameter: 'SAMLRequest', xml: parts.head + parts.tail }, lasso.own.signing))
}

suite('lasso accepts what is written here, with the same name, session and issuer', () => {
  const expected = { nameId: 'a name & <more>', sessionIndex: 'index "1" & more', issuer: ours }
  const read = ({ nameId: name, sessionIndex, issuer, error }: LassoAnswer): unknown => (error === undefined ? { nameId: name, sessionIndex, issuer } : error)

  for (const signs of [false, true])
    test(`a Response with a signed assertion${signs ? ', signed itself' : ''}`, async () => assert.deepEqual(read(await signInAtLassoSp({}, signs)), expected))

  for (const role of ['sp', 'idp'] as const)
    for (const method of ['redirect', 'soap'] as const)
      test(`a LogoutRequest by ${method} to its ${role}, and refuses a changed one`, async () => {
        const subject = nameId(role === 'sp' ? 'urn:lasso:sp' : ours, role === 'sp' ? ours : 'urn:lasso:idp')
        const message = await sendLogout(role, method, ourLogout(role, method, subject, expected.sessionIndex))
        assert.deepEqual(read(await lasso.ask({ do: 'judgeRequest', role, message })), expected)
        const changed =
          method === 'soap'
            ? message.replace('a name', 'b name')
            : message.replace(/SAMLRequest=./, (found) => (found.endsWith('x') ? 'SAMLRequest=y' : 'SAMLRequest=x'))
        assert.notEqual((await lasso.ask({ do: 'judgeRequest', role, message: changed })).error, undefined)
      })

  test('a LogoutResponse to its own request, by redirect and by SOAP', async () => {
    for (const method of ['redirect', 'soap'] as const) {
      await signInAtLassoSp()
      const asked = await lasso.ask({ do: 'logoutRequest', role: 'sp', method })
      const response: LogoutResponse = {
        kind: 'LogoutResponse',
        id: nextId(),
        issuer: ours,
        issueInstant: now(),
        destination: 'https://sp.example/slo',
        inResponseTo: asked.id ?? '',
        status: status.success()
      }
      const parts = serialiseLogoutResponse(response)
      const message =
        method === 'soap'
          ? encodeSoap(signEnvelopedSync(parts, lasso.own.signing))
          : queryOf(await encodeRedirect('https://sp.example/slo', { parameter: 'SAMLResponse', xml: parts.head + parts.tail }, lasso.own.signing))
      const judged = await lasso.ask({ do: 'judgeResponse', role: 'sp', message })
      assert.deepEqual(judged, { issuer: ours, status: 'urn:oasis:names:tc:SAML:2.0:status:Success' })
    }
  })

  test('an encrypted assertion, an encrypted identifier in an assertion and in a LogoutRequest', async (t) => {
    const seal = lasso.sealFor(lasso.sp)
    assert.deepEqual(read(await signInAtLassoSp({ assertion: seal })), expected)
    assert.deepEqual(read(await signInAtLassoSp({ nameId: seal })), expected)
    const request = ourLogout('sp', 'soap', nameId('urn:lasso:sp', ours), expected.sessionIndex)
    assert.deepEqual(read(await lasso.ask({ do: 'judgeRequest', role: 'sp', message: await sendLogout('sp', 'soap', request, seal) })), expected)
    t.diagnostic('AES-256-GCM with RSA-OAEP')
  })
})

suite('What lasso writes is accepted here, with the same name, session and issuer', () => {
  /** lasso's Response to our request. */
  async function lassoResponds(more: Readonly<Record<string, unknown>> = {}): Promise<{ readonly made: LassoAnswer; readonly requestId: string }> {
    const requestId = nextId()
    const parts = serialiseAuthnRequest({
      kind: 'AuthnRequest',
      id: requestId,
      issuer: ours,
      issueInstant: now(),
      destination: 'https://idp.example/sso',
      forceAuthn: false,
      isPassive: false,
      assertionConsumerServiceURL: ourUrls.acs,
      protocolBinding: 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST',
      nameIdPolicy: { format: nameIdFormat.persistent, allowCreate: true }
    })
    const url = await encodeRedirect('https://idp.example/sso', { parameter: 'SAMLRequest', xml: parts.head + parts.tail }, lasso.own.signing)
    const times = { now: instantText(now()), before: instantText(now().subtract({ minutes: 1 })), after: instantText(now().add({ minutes: 5 })) }
    return { made: await lasso.ask({ do: 'respond', query: queryOf(url), ...times, ...more }), requestId }
  }

  for (const encrypt of ['none', 'nameId', 'assertions'] as const)
    test(`a Response with encryption of ${encrypt}`, async () => {
      const { made, requestId } = await lassoResponds({ encrypt, signs: true })
      assert.equal(made.error, undefined)
      const peer = { ...lasso.idp.keys, decryption: decryptionOf(lasso.own) }
      const read = verifyResponse(decodePost([['SAMLResponse', made.body ?? '']]), peer)
      assert.deepEqual(
        [read.assertion?.subject.nameId.value, read.assertion?.authnStatement?.sessionIndex, read.issuer, read.inResponseTo],
        [made.nameId, made.sessionIndex, made.issuer, requestId]
      )
    })

  for (const [role, method] of [
    ['sp', 'redirect'],
    ['sp', 'soap'],
    ['idp', 'redirect'],
    ['idp', 'soap']
  ] as const)
    test(`a LogoutRequest of its ${role} by ${method}, and its LogoutResponse to ours`, async () => {
      if (role === 'sp') await signInAtLassoSp()
      else assert.equal((await lassoResponds()).made.error, undefined)
      const made = await lasso.ask({ do: 'logoutRequest', role, method })
      assert.equal(made.error, undefined)
      const keys = lasso[role].keys
      const received = method === 'soap' ? decodeSoap(Buffer.from(made.body ?? '')) : decodeRedirect(queryOf(made.url))
      const request = verifyLogoutRequest(received, keys)
      assert.deepEqual([request.subject.value, request.sessionIndexes, request.issuer], [made.nameId, [made.sessionIndex], made.issuer])
      const ask = ourLogout(role, method, request.subject, request.sessionIndexes[0] ?? '')
      const answer = await lasso.ask({ do: 'answerRequest', role, message: await sendLogout(role, method, ask) })
      assert.equal(answer.error, undefined)
      const response = verifyLogoutResponse(method === 'soap' ? decodeSoap(Buffer.from(answer.body ?? '')) : decodeRedirect(queryOf(answer.url)), keys)
      assert.deepEqual(
        [response.inResponseTo, response.issuer, response.status.code],
        [ask.id, lasso[role].entityId, 'urn:oasis:names:tc:SAML:2.0:status:Success']
      )
    })
})

/** A document that xmlsec1 has to accept, too. */
function isGoodForXmlsec(xml: string): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-mutation-'))
  try {
    const [file, key] = [join(folder, 'message.xml'), join(folder, 'key.pem')]
    writeFileSync(file, xml)
    writeFileSync(key, createPublicKey(lasso.own.signing.key).export({ type: 'spki', format: 'pem' }))
    const args = ['--verify', '--pubkey-pem', key, '--id-attr:ID', 'urn:oasis:names:tc:SAML:2.0:protocol:LogoutRequest', file]
    const { status: code, error } = spawnSync('xmlsec1', args)
    assert.equal(error, undefined, 'xmlsec1 (Debian: xmlsec1) must be on the path')
    return code === 0
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Changes a message again and again; what is still accepted has to say the same. Returns what was accepted, changed. */
function acceptedMutants(original: Buffer, cases: number, seed: number, read: (octets: Buffer) => object): readonly Buffer[] {
  const random = seeded(seed)
  const expected = { ...read(original) }
  const accepted: Buffer[] = []
  for (let i = 0; i < cases; i++) {
    const changed = mutate(original, random)
    const code = codeOf(() => assert.deepEqual({ ...read(changed) }, expected))
    assert.match(code, /^(accepted|CURFEW_)/, `seed ${seed}, case ${i}`)
    if (code === 'accepted' && !original.equals(changed)) accepted.push(changed)
  }
  return accepted
}

suite('Mutations of valid messages: what is still accepted says the same', () => {
  const seed = seedOfRun()
  const cases = Number(process.env['CURFEW_FUZZ_CASES'] ?? 10_000)

  test('a signed LogoutRequest by SOAP, and lasso and xmlsec1 accept it too', async () => {
    const subject = nameId('urn:lasso:sp', ours)
    const message = await sendLogout('sp', 'soap', ourLogout('sp', 'soap', subject, 'index-1'))
    const accepted = acceptedMutants(Buffer.from(message), cases, seed, (octets) => verifyLogoutRequest(decodeSoap(octets), lasso.own.keys))
    assert.ok(accepted.length > 20, 'some changes mean nothing')
    for (const one of accepted.slice(0, 500)) {
      const judged = await lasso.ask({ do: 'judgeRequest', role: 'sp', message: one.toString('utf8') })
      assert.deepEqual(
        [judged.error, judged.nameId, judged.sessionIndex, judged.issuer],
        [undefined, subject.value, 'index-1', ours],
        `seed ${seed}: ${one.toString()}`
      )
    }
    for (const one of accepted.slice(0, 40)) assert.ok(isGoodForXmlsec(one.toString('utf8')), `seed ${seed}: ${one.toString()}`)
  })

  test('a LogoutRequest by Redirect, octet by octet of its query, and lasso accepts it too', async () => {
    const subject = nameId('urn:lasso:sp', ours)
    const query = await sendLogout('sp', 'redirect', ourLogout('sp', 'redirect', subject, 'index-1'))
    const accepted = acceptedMutants(Buffer.from(query), cases, seed, (octets) =>
      verifyLogoutRequest(decodeRedirect(octets.toString('latin1')), lasso.own.keys)
    )
    // lasso tells a query by how it begins: parameters that nobody knows, in front of it, are no query to it.
    const queries = accepted.filter((one) => one.toString('latin1').startsWith('SAMLRequest='))
    for (const one of queries.slice(0, 200)) {
      const judged = await lasso.ask({ do: 'judgeRequest', role: 'sp', message: one.toString('latin1') })
      assert.deepEqual([judged.error, judged.nameId, judged.sessionIndex], [undefined, subject.value, 'index-1'], `seed ${seed}: ${one.toString()}`)
    }
  })

  test('a Response, signed itself or by its assertion alone, and one with an encrypted assertion', () => {
    const peer = { ...lasso.own.keys, decryption: decryptionOf(lasso.sp) }
    const seal = lasso.sealFor(lasso.sp)
    for (const [seals, signs] of [
      [{}, false],
      [{}, true],
      [{ assertion: seal }, true],
      [{ nameId: seal }, false]
    ] as const) {
      const octets = Buffer.from(responseFor('_request', nameId('urn:lasso:sp', ours), seals, signs), 'base64')
      const isSealed = Object.keys(seals).length > 0
      // Around an assertion that carries the only signature anything may change: what it says may not.
      acceptedMutants(octets, isSealed ? cases / 10 : cases, seed, (changed) => {
        const { assertion, ...around } = verifyResponse(decodePost([['SAMLResponse', changed.toString('base64')]]), peer)
        return { assertion, ...(signs ? around : {}) }
      })
    }
  })
})
