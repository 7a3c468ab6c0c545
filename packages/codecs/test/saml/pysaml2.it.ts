import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import {
  decodePost,
  decodeRedirect,
  decodeSoap,
  encodeRedirect,
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
import { noPysaml2 } from '../support/programs.ts'

let pysaml2: PythonPartner
before(async () => {
  pysaml2 = await startPartner('pysaml2')
})
after(async () => pysaml2[Symbol.asyncDispose]())

const expected = { nameId: 'a name & <more>', sessionIndex: 'index "1" & more', issuer: ours }
const read = ({ nameId: name, sessionIndex, issuer, error }: PartnerAnswer): unknown => (error === undefined ? { nameId: name, sessionIndex, issuer } : error)
const posted = (xml: string, parameter: 'SAMLRequest' | 'SAMLResponse') => decodePost([[parameter, Buffer.from(xml).toString('base64')]])

/** pysaml2 asks, we answer, it judges. */
async function signIn(seals: Seals = {}, signs = false): Promise<PartnerAnswer> {
  const asked = await pysaml2.ask({ do: 'authnRequest' })
  const request = verifyAuthnRequest(decodeRedirect(queryOf(asked.url)), pysaml2.sp.keys, { signature: 'required' })
  assert.equal(request.id, asked.id)
  return pysaml2.ask({ do: 'acceptResponse', message: responseFor(pysaml2, request.id, nameId(pysaml2.sp.entityId, ours), seals, signs) })
}

/** Our LogoutResponse to a request of its service provider, as it goes on the wire. */
async function answerTo(requestId: string, method: 'redirect' | 'post'): Promise<string> {
  const parts = serialiseLogoutResponse({
    kind: 'LogoutResponse',
    id: nextId(),
    issuer: ours,
    issueInstant: now(),
    destination: 'https://sp.example/slo',
    inResponseTo: requestId,
    status: status.success()
  })
  if (method === 'post') return Buffer.from(signEnvelopedSync(parts, pysaml2.own.signing)).toString('base64')
  return queryOf(await encodeRedirect('https://sp.example/slo', { parameter: 'SAMLResponse', xml: parts.head + parts.tail }, pysaml2.own.signing))
}

/** Not by SOAP: pysaml2 writes the body of an envelope anew, under other prefixes, before it looks at the signature. */
const methods = ['redirect', 'post'] as const

suite('pysaml2 accepts what is written here, with the same name, session and issuer', { skip: noPysaml2 }, () => {
  for (const signs of [false, true])
    test(`a Response with a signed assertion${signs ? ', signed itself' : ''}`, async () => assert.deepEqual(read(await signIn({}, signs)), expected))

  test('an encrypted assertion', async () => assert.deepEqual(read(await signIn({ assertion: pysaml2.sealFor(pysaml2.sp) })), expected))

  for (const role of ['sp', 'idp'] as const)
    for (const method of methods)
      test(`a LogoutRequest by ${method} to its ${role}, and refuses a changed one`, async () => {
        const request = ourLogout(role, method, nameId(pysaml2[role].entityId, ours), expected.sessionIndex)
        const message = await sendLogout(pysaml2, method, request)
        assert.deepEqual(read(await pysaml2.ask({ do: 'judgeRequest', role, method, message })), expected)
        const rewritten = (base64: string): string => Buffer.from(Buffer.from(base64, 'base64').toString().replace('a name', 'b name')).toString('base64')
        const changed = method === 'post' ? rewritten(message) : message.replace(/Signature=.{4}/, 'Signature=AAAA')
        assert.notEqual((await pysaml2.ask({ do: 'judgeRequest', role, method, message: changed })).error, undefined)
      })

  test('a LogoutResponse to its own request, by redirect and by POST', async () => {
    for (const method of methods) {
      const asked = await pysaml2.ask({ do: 'logoutRequest', role: 'sp', method, nameId: 'ana', sessionIndex: 'index-1' })
      assert.equal(asked.error, undefined)
      const judged = await pysaml2.ask({ do: 'judgeResponse', role: 'sp', method, message: await answerTo(asked.id ?? '', method) })
      assert.deepEqual(judged, { issuer: ours, status: 'urn:oasis:names:tc:SAML:2.0:status:Success', inResponseTo: asked.id })
    }
  })
})

/** pysaml2's Response to our request. */
async function responded(more: Readonly<Record<string, unknown>>): Promise<{ readonly made: PartnerAnswer; readonly requestId: string }> {
  const requestId = nextId()
  const parts = serialiseAuthnRequest(authnRequestFor(requestId))
  const url = await encodeRedirect('https://idp.example/sso', { parameter: 'SAMLRequest', xml: parts.head + parts.tail }, pysaml2.own.signing)
  return { made: await pysaml2.ask({ do: 'respond', query: queryOf(url), ...more }), requestId }
}

suite('What pysaml2 writes is accepted here, with the same name, session and issuer', { skip: noPysaml2 }, () => {
  for (const signs of [false, true])
    test(`a Response with a signed assertion${signs ? ', signed itself' : ''}`, async () => {
      const { made, requestId } = await responded({ signs })
      assert.equal(made.error, undefined)
      const response = verifyResponse(posted(made.body ?? '', 'SAMLResponse'), pysaml2.idp.keys)
      const { assertion } = response
      assert.deepEqual(
        [assertion?.subject.nameId.value, assertion?.authnStatement?.sessionIndex, response.issuer, response.inResponseTo],
        [made.nameId, made.sessionIndex, made.issuer, requestId]
      )
    })

  test('not what it encrypts: triple DES is all that it writes, and that is not read here', async () => {
    const { made } = await responded({ signs: true, encrypts: true })
    assert.ok(made.body?.includes('xmlenc#tripledes-cbc'))
    const peer = { ...pysaml2.idp.keys, decryption: decryptionOf(pysaml2.own) }
    assert.equal(
      codeOf(() => verifyResponse(posted(made.body ?? '', 'SAMLResponse'), peer)),
      'CURFEW_SAML_ENCRYPTION_REFUSED'
    )
  })

  for (const role of ['sp', 'idp'] as const)
    for (const method of ['redirect', 'post', 'soap'] as const)
      test(`a LogoutRequest of its ${role} by ${method}${method === 'soap' ? '' : ', and its LogoutResponse to ours'}`, async () => {
        const subject = { nameId: 'añá & <co>', sessionIndex: 'index "1" & more' }
        const made = await pysaml2.ask({ do: 'logoutRequest', role, method, ...subject })
        assert.equal(made.error, undefined)
        const { keys } = pysaml2[role]
        const open = ({ url, body }: PartnerAnswer, parameter: 'SAMLRequest' | 'SAMLResponse') =>
          method === 'redirect' ? decodeRedirect(queryOf(url)) : method === 'soap' ? decodeSoap(Buffer.from(body ?? '')) : posted(body ?? '', parameter)
        const request = verifyLogoutRequest(open(made, 'SAMLRequest'), keys)
        assert.deepEqual([request.subject.value, request.sessionIndexes, request.issuer], [subject.nameId, [subject.sessionIndex], made.issuer])
        if (method === 'soap') return
        const ask = ourLogout(role, method, nameId(pysaml2[role].entityId, ours), 'index-1')
        const answer = await pysaml2.ask({ do: 'answerRequest', role, method, message: await sendLogout(pysaml2, method, ask) })
        assert.equal(answer.error, undefined)
        const response = verifyLogoutResponse(open(answer, 'SAMLResponse'), keys)
        assert.deepEqual(
          [response.inResponseTo, response.issuer, response.status.code],
          [ask.id, pysaml2[role].entityId, 'urn:oasis:names:tc:SAML:2.0:status:Success']
        )
      })
})

suite('Mutations: what is still accepted says the same here and there', { skip: noPysaml2 }, () => {
  const seed = seedOfRun()
  const cases = Number(process.env['CURFEW_FUZZ_CASES'] ?? 2_000)

  test('of our LogoutRequest by POST, and pysaml2 accepts it too', async () => {
    const message = await sendLogout(pysaml2, 'post', ourLogout('sp', 'post', nameId(pysaml2.sp.entityId, ours), 'index-1'))
    const accepted = acceptedMutants(Buffer.from(message, 'base64'), cases, seed, (octets) =>
      verifyLogoutRequest(decodePost([['SAMLRequest', octets.toString('base64')]]), pysaml2.own.keys)
    )
    assert.ok(accepted.length > 2, 'some changes mean nothing')
    for (const one of chosen(accepted, 10, seed)) {
      const judged = await pysaml2.ask({ do: 'judgeRequest', role: 'sp', method: 'post', message: one.toString('base64') })
      assert.deepEqual(read(judged), { nameId: expected.nameId, sessionIndex: 'index-1', issuer: ours }, `seed ${seed}: ${one.toString()}`)
    }
    assertGoodForXmlsec(accepted, seed, pysaml2.own)
  })

  test('of our LogoutResponse by POST, which proves that a session ended, and pysaml2 accepts it too', async () => {
    const asked = await pysaml2.ask({ do: 'logoutRequest', role: 'sp', method: 'post', nameId: 'ana', sessionIndex: 'index-1' })
    const octets = Buffer.from(await answerTo(asked.id ?? '', 'post'), 'base64')
    const accepted = acceptedMutants(octets, cases, seed, (changed) => verifyLogoutResponse(posted(changed.toString('utf8'), 'SAMLResponse'), pysaml2.own.keys))
    assert.ok(accepted.length > 2, 'some changes mean nothing')
    const judge = (message: string) => pysaml2.ask({ do: 'judgeResponse', role: 'sp', method: 'post', message })
    for (const one of chosen(accepted, 10, seed)) {
      const wanted = { issuer: ours, status: 'urn:oasis:names:tc:SAML:2.0:status:Success', inResponseTo: asked.id }
      assert.deepEqual(await judge(one.toString('base64')), wanted, `seed ${seed}: ${one.toString()}`)
    }
    assertGoodForXmlsec(accepted, seed, pysaml2.own)
    const forged = octets.toString().replace('status:Success', 'status:Requester')
    assert.notEqual((await judge(Buffer.from(forged).toString('base64'))).error, undefined)
  })

  for (const sealed of [false, true])
    test(`of our Response with ${sealed ? 'an encrypted' : 'a signed'} assertion, and pysaml2 accepts it too`, async () => {
      const asked = await pysaml2.ask({ do: 'authnRequest' })
      const seals = sealed ? { assertion: pysaml2.sealFor(pysaml2.sp) } : {}
      const octets = Buffer.from(responseFor(pysaml2, asked.id ?? '', nameId(pysaml2.sp.entityId, ours), seals), 'base64')
      const peer = { ...pysaml2.own.keys, decryption: decryptionOf(pysaml2.sp) }
      const readOne = (changed: Buffer) => verifyResponse(decodePost([['SAMLResponse', changed.toString('base64')]]), peer)
      const whole = { ...readOne(octets) }
      const accepted = acceptedMutants(octets, cases, seed, (changed) => ({ assertion: readOne(changed).assertion }))
      const same = accepted.filter((one) => codeOf(() => assert.deepEqual({ ...readOne(one) }, whole)) === 'accepted')
      assert.ok(same.length > 2, 'some changes mean nothing')
      for (const one of chosen(same, 5, seed))
        assert.deepEqual(
          read(await pysaml2.ask({ do: 'acceptResponse', message: one.toString('base64') })),
          { nameId: expected.nameId, sessionIndex: expected.sessionIndex, issuer: ours },
          `seed ${seed}: ${one.toString()}`
        )
      if (!sealed) assertGoodForXmlsec(same, seed, pysaml2.own, 'Assertion')
    })

  test('of the LogoutRequest that pysaml2 made, by POST, and xmlsec1 accepts it too', async () => {
    const made = await pysaml2.ask({ do: 'logoutRequest', role: 'sp', method: 'post', nameId: 'ana', sessionIndex: 'index-1' })
    const octets = Buffer.from(made.body ?? '')
    const accepted = acceptedMutants(octets, cases, seed, (changed) => verifyLogoutRequest(posted(changed.toString('utf8'), 'SAMLRequest'), pysaml2.sp.keys))
    assert.ok(accepted.length > 2, 'some changes mean nothing')
    assertGoodForXmlsec(accepted, seed, pysaml2.sp)
  })

  test('of the Response that pysaml2 made, and xmlsec1 accepts it too', async () => {
    const { made } = await responded({ signs: true })
    const accepted = acceptedMutants(Buffer.from(made.body ?? ''), cases, seed, (changed) =>
      verifyResponse(posted(changed.toString('utf8'), 'SAMLResponse'), pysaml2.idp.keys)
    )
    assert.ok(accepted.length > 2, 'some changes mean nothing')
    for (const within of ['Response', 'Assertion']) assertGoodForXmlsec(accepted, seed, pysaml2.idp, within)
  })
})
