import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import {
  decodePost,
  decodeRedirect,
  decodeSoap,
  encodeRedirect,
  encodeSoap,
  instantText,
  type LogoutResponse,
  serialiseAuthnRequest,
  serialiseLogoutResponse,
  signEnvelopedSync,
  status,
  verifyAuthnRequest,
  verifyLogoutRequest,
  verifyLogoutResponse,
  verifyResponse
} from '../../src/index.ts'
import {
  acceptedMutants,
  assertGoodForXmlsec,
  authnRequestFor,
  chosen,
  nameId,
  nextId,
  now,
  ourLogout,
  queryOf,
  responseFor,
  type Seals,
  sendLogout
} from '../support/foreign-messages.ts'
import { codeOf } from '../support/messages.ts'
import { decryptionOf, ours, type PartnerAnswer, type PythonPartner, startPartner } from '../support/python-partner.ts'
import { seedOfRun } from '../support/seeded.ts'
import { noLasso } from '../support/programs.ts'

let lasso: PythonPartner
before(async () => {
  lasso = await startPartner('lasso')
})
after(async () => lasso[Symbol.asyncDispose]())

/** Our LogoutResponse to a request of lasso's service provider, as it goes on the wire. */
async function answerTo(requestId: string, method: 'redirect' | 'soap'): Promise<string> {
  const response: LogoutResponse = {
    kind: 'LogoutResponse',
    id: nextId(),
    issuer: ours,
    issueInstant: now(),
    destination: 'https://sp.example/slo',
    inResponseTo: requestId,
    status: status.success()
  }
  const parts = serialiseLogoutResponse(response)
  if (method === 'soap') return encodeSoap(signEnvelopedSync(parts, lasso.own.signing))
  return queryOf(await encodeRedirect('https://sp.example/slo', { parameter: 'SAMLResponse', xml: parts.head + parts.tail }, lasso.own.signing))
}

async function signInAtLassoSp(seals: Seals = {}, signs = false): Promise<PartnerAnswer> {
  const asked = await lasso.ask({ do: 'authnRequest' })
  const request = verifyAuthnRequest(decodeRedirect(queryOf(asked.url)), lasso.sp.keys, { signature: 'required' })
  assert.equal(request.id, asked.id)
  return lasso.ask({ do: 'acceptResponse', message: responseFor(lasso, request.id, nameId('urn:lasso:sp', ours), seals, signs) })
}

suite('lasso accepts what is written here, with the same name, session and issuer', { skip: noLasso }, () => {
  const expected = { nameId: 'a name & <more>', sessionIndex: 'index "1" & more', issuer: ours }
  const read = ({ nameId: name, sessionIndex, issuer, error }: PartnerAnswer): unknown => (error === undefined ? { nameId: name, sessionIndex, issuer } : error)

  for (const signs of [false, true])
    test(`a Response with a signed assertion${signs ? ', signed itself' : ''}`, async () => assert.deepEqual(read(await signInAtLassoSp({}, signs)), expected))

  for (const role of ['sp', 'idp'] as const)
    for (const method of ['redirect', 'soap'] as const)
      test(`a LogoutRequest by ${method} to its ${role}, and refuses a changed one`, async () => {
        const subject = nameId(role === 'sp' ? 'urn:lasso:sp' : ours, role === 'sp' ? ours : 'urn:lasso:idp')
        const message = await sendLogout(lasso, method, ourLogout(role, method, subject, expected.sessionIndex))
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
      const message = await answerTo(asked.id ?? '', method)
      const judged = await lasso.ask({ do: 'judgeResponse', role: 'sp', message })
      assert.deepEqual(judged, { issuer: ours, status: 'urn:oasis:names:tc:SAML:2.0:status:Success' })
    }
  })

  test('an encrypted assertion, an encrypted identifier in an assertion and in a LogoutRequest', async (t) => {
    const seal = lasso.sealFor(lasso.sp)
    assert.deepEqual(read(await signInAtLassoSp({ assertion: seal })), expected)
    assert.deepEqual(read(await signInAtLassoSp({ nameId: seal })), expected)
    const request = ourLogout('sp', 'soap', nameId('urn:lasso:sp', ours), expected.sessionIndex)
    assert.deepEqual(read(await lasso.ask({ do: 'judgeRequest', role: 'sp', message: await sendLogout(lasso, 'soap', request, seal) })), expected)
    t.diagnostic('AES-256-GCM with RSA-OAEP')
  })
})

/** lasso's Response to our request. */
async function lassoResponds(more: Readonly<Record<string, unknown>> = {}): Promise<{ readonly made: PartnerAnswer; readonly requestId: string }> {
  const requestId = nextId()
  const parts = serialiseAuthnRequest(authnRequestFor(requestId))
  const url = await encodeRedirect('https://idp.example/sso', { parameter: 'SAMLRequest', xml: parts.head + parts.tail }, lasso.own.signing)
  const times = { now: instantText(now()), before: instantText(now().subtract({ minutes: 1 })), after: instantText(now().add({ minutes: 5 })) }
  return { made: await lasso.ask({ do: 'respond', query: queryOf(url), ...times, ...more }), requestId }
}

suite('What lasso writes is accepted here, with the same name, session and issuer', { skip: noLasso }, () => {
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
      const answer = await lasso.ask({ do: 'answerRequest', role, message: await sendLogout(lasso, method, ask) })
      assert.equal(answer.error, undefined)
      const response = verifyLogoutResponse(method === 'soap' ? decodeSoap(Buffer.from(answer.body ?? '')) : decodeRedirect(queryOf(answer.url)), keys)
      assert.deepEqual(
        [response.inResponseTo, response.issuer, response.status.code],
        [ask.id, lasso[role].entityId, 'urn:oasis:names:tc:SAML:2.0:status:Success']
      )
    })
})

suite('Mutations of valid messages: what is still accepted says the same', { skip: noLasso }, () => {
  const seed = seedOfRun()
  const cases = Number(process.env['CURFEW_FUZZ_CASES'] ?? 10_000)
  const opened = (message: Buffer, method: 'redirect' | 'soap') => (method === 'soap' ? decodeSoap(message) : decodeRedirect(message.toString('latin1')))
  /** lasso tells a query by how it begins: parameters that nobody knows, in front of it, are no query to it. */
  const forLasso = (accepted: readonly Buffer[], parameter: string): readonly Buffer[] =>
    accepted.filter((one) => one.toString('latin1').startsWith(`${parameter}=`))

  test('a signed LogoutRequest by SOAP, and lasso and xmlsec1 accept it too', async () => {
    const subject = nameId('urn:lasso:sp', ours)
    const message = await sendLogout(lasso, 'soap', ourLogout('sp', 'soap', subject, 'index-1'))
    const accepted = acceptedMutants(Buffer.from(message), cases, seed, (octets) => verifyLogoutRequest(decodeSoap(octets), lasso.own.keys))
    assert.ok(accepted.length > 20, 'some changes mean nothing')
    for (const one of chosen(accepted, 500, seed)) {
      const judged = await lasso.ask({ do: 'judgeRequest', role: 'sp', message: one.toString('utf8') })
      assert.deepEqual(
        [judged.error, judged.nameId, judged.sessionIndex, judged.issuer],
        [undefined, subject.value, 'index-1', ours],
        `seed ${seed}: ${one.toString()}`
      )
    }
    assertGoodForXmlsec(accepted, seed, lasso.own)
  })

  test('a LogoutRequest by Redirect, octet by octet of its query, and lasso accepts it too', async () => {
    const subject = nameId('urn:lasso:sp', ours)
    const query = await sendLogout(lasso, 'redirect', ourLogout('sp', 'redirect', subject, 'index-1'))
    const accepted = acceptedMutants(Buffer.from(query), cases * 3, seed, (octets) =>
      verifyLogoutRequest(decodeRedirect(octets.toString('latin1')), lasso.own.keys)
    )
    const queries = forLasso(accepted, 'SAMLRequest')
    assert.ok(queries.length > 20, `some changes mean nothing: ${queries.length}`)
    for (const one of chosen(queries, 200, seed)) {
      const judged = await lasso.ask({ do: 'judgeRequest', role: 'sp', message: one.toString('latin1') })
      assert.deepEqual([judged.error, judged.nameId, judged.sessionIndex], [undefined, subject.value, 'index-1'], `seed ${seed}: ${one.toString()}`)
    }
  })

  for (const method of ['redirect', 'soap'] as const)
    test(`a LogoutResponse by ${method}, which proves that a session ended, and lasso accepts it too`, async () => {
      await signInAtLassoSp()
      const asked = await lasso.ask({ do: 'logoutRequest', role: 'sp', method })
      const message = await answerTo(asked.id ?? '', method)
      const accepted = acceptedMutants(Buffer.from(message), method === 'soap' ? cases / 2 : cases * 3, seed, (octets) =>
        verifyLogoutResponse(opened(octets, method), lasso.own.keys)
      )
      const judgeable = method === 'soap' ? accepted : forLasso(accepted, 'SAMLResponse')
      assert.ok(judgeable.length > 10, `some changes mean nothing: ${judgeable.length}`)
      for (const one of chosen(judgeable, 200, seed)) {
        const judged = await lasso.ask({ do: 'judgeResponse', role: 'sp', message: one.toString(method === 'soap' ? 'utf8' : 'latin1') })
        assert.deepEqual(judged, { issuer: ours, status: 'urn:oasis:names:tc:SAML:2.0:status:Success' }, `seed ${seed}: ${one.toString()}`)
      }
      if (method === 'soap') assertGoodForXmlsec(accepted, seed, lasso.own)
      const forged = method === 'soap' ? message.replace('status:Success', 'status:Failed') : message.replace(/Signature=.{4}/, 'Signature=AAAA')
      assert.notEqual((await lasso.ask({ do: 'judgeResponse', role: 'sp', message: forged })).error, undefined)
    })

  for (const [what, signs, sealed] of [
    ['with a signed assertion', false, undefined],
    ['with a signed assertion, signed itself', true, undefined],
    ['with an encrypted assertion', false, 'assertion'],
    ['with an encrypted assertion, signed itself', true, 'assertion'],
    ['with an encrypted name', false, 'nameId']
  ] as const)
    test(`a Response ${what}, and lasso${sealed === 'assertion' && !signs ? '' : ' and xmlsec1'} accept it too`, async () => {
      const asked = await lasso.ask({ do: 'authnRequest' })
      const seals = sealed === undefined ? {} : { [sealed]: lasso.sealFor(lasso.sp) }
      const octets = Buffer.from(responseFor(lasso, asked.id ?? '', nameId(lasso.sp.entityId, ours), seals, signs), 'base64')
      const peer = { ...lasso.own.keys, decryption: decryptionOf(lasso.sp) }
      const read = (changed: Buffer) => verifyResponse(decodePost([['SAMLResponse', changed.toString('base64')]]), peer)
      const whole = { ...read(octets) }
      // An octet of a cipher text costs a private key: fewer of these.
      const accepted = acceptedMutants(octets, sealed === undefined ? cases : cases / 5, seed, (changed) => {
        const { assertion, ...around } = read(changed)
        return { assertion, ...(signs ? around : {}) }
      })
      // Around the only signature anything may change that no reader trusts; where it says the same, both take it. Only
      // white space around an unsigned Issuer is taken here and not there.
      const isSame = (one: Buffer): boolean => codeOf(() => assert.deepEqual({ ...read(one) }, whole)) === 'accepted'
      const same = accepted.filter((one) => isSame(one) && /<saml:Issuer[^>]*>([^<]*)</.exec(one.toString())?.[1] === ours)
      assert.ok(same.length > 2, 'some changes mean nothing')
      for (const one of chosen(same, 60, seed)) {
        const judged = await lasso.ask({ do: 'acceptResponse', message: one.toString('base64') })
        assert.deepEqual(
          [judged.error, judged.nameId, judged.sessionIndex, judged.issuer],
          [undefined, 'a name & <more>', 'index "1" & more', ours],
          `seed ${seed}: ${one.toString()}`
        )
      }
      if (signs) assertGoodForXmlsec(same, seed, lasso.own, 'Response')
      if (sealed !== 'assertion') assertGoodForXmlsec(same, seed, lasso.own, 'Assertion')
    })

  test('what lasso made, by SOAP and by POST, and xmlsec1 accepts it too', async () => {
    await signInAtLassoSp()
    const asked = await lasso.ask({ do: 'logoutRequest', role: 'sp', method: 'soap' })
    const requests = acceptedMutants(Buffer.from(asked.body ?? ''), cases / 5, seed, (octets) => verifyLogoutRequest(decodeSoap(octets), lasso.sp.keys))
    assert.ok(requests.length > 2, 'some changes mean nothing')
    assertGoodForXmlsec(requests, seed, lasso.sp)
    const { made } = await lassoResponds({ signs: true })
    const responses = acceptedMutants(Buffer.from(made.body ?? '', 'base64'), cases / 5, seed, (octets) =>
      verifyResponse(decodePost([['SAMLResponse', octets.toString('base64')]]), lasso.idp.keys)
    )
    assert.ok(responses.length > 2, 'some changes mean nothing')
    for (const within of ['Response', 'Assertion']) assertGoodForXmlsec(responses, seed, lasso.idp, within)
  })
})
