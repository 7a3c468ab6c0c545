import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import {
  decodeRedirect,
  decodeSoap,
  encodeRedirect,
  serialiseLogoutRequest,
  serialiseLogoutResponse,
  status,
  verificationKeyFromCertificate,
  verifyLogoutResponse,
  parseMetadata
} from '@curfew/codecs'
import { createMemorySessionRegistry } from '../src/index.ts'
import { laterSignIns } from './later-sign-ins.ts'
import { app, createStage, foreignKey, idpEntity, request, signIn, type Stage } from './provider.ts'

async function post(stage: Stage, xml: string, path = '/saml/acs'): Promise<number | undefined> {
  const body = new URLSearchParams({ SAMLResponse: Buffer.from(xml).toString('base64') }).toString()
  return (await stage.provider.handle(request('POST', path, { body })))?.status
}

suite('Service provider guard: signing in', () => {
  test('asks the identity provider and comes back to where the user wanted to go', async () => {
    const stage = createStage()
    const { cookie, location } = await signIn(stage)
    assert.equal(location, '/salary?month=2')
    assert.deepEqual((await stage.provider.session(cookie))?.attributes['mail'], ['ana@example.com'])
  })

  test("other paths are the application's own", async () => {
    assert.equal(await createStage().provider.handle(request('GET', '/salary')), undefined)
  })

  test('an address that leads elsewhere is not gone to', async () => {
    for (const to of ['https://evil.example/', '//evil.example', '/\\evil.example', 'javascript:alert(1)'])
      assert.equal((await signIn(createStage(), to)).location, '/')
  })

  test('an answer is taken once', async () => {
    const stage = createStage()
    const xml = stage.response()
    assert.equal(await post(stage, xml), 303)
    assert.equal(await post(stage, xml), 400)
    assert.equal(stage.events.at(-1)?.kind, 'refused')
  })

  test('an answer to no request of ours, an expired one and a forged one open nothing', async () => {
    const stage = createStage()
    assert.equal(await post(stage, stage.response({ inResponseTo: '_never_asked' })), 400)
    assert.equal(await post(stage, stage.response({ signing: foreignKey })), 400)
    const old = stage.response()
    stage.nowMs += 10 * 60_000
    assert.equal(await post(stage, old), 400)
    assert.ok(stage.events.every((event) => event.kind === 'refused'))
  })

  test('publishes metadata that can be read', () => {
    const [entity] = parseMetadata(Buffer.from(createStage().provider.metadata))
    assert.equal(entity?.sp?.singleLogoutServices.length, 3)
    assert.equal(entity?.sp?.assertionConsumerServices[0]?.location, `${app}/saml/acs`)
  })
})

suite('Service provider guard: being signed out', () => {
  test('by SOAP, without any cookie, and it answers with a signed success', async () => {
    const stage = createStage()
    const { cookie } = await signIn(stage)
    const answer = await stage.provider.handle(request('POST', '/saml/slo/soap', { body: stage.soap(stage.logoutRequest()) }))
    const [entity] = parseMetadata(Buffer.from(stage.provider.metadata))
    const keys = (entity?.sp?.keys[0]?.certificates ?? []).map(verificationKeyFromCertificate)
    const response = verifyLogoutResponse(decodeSoap(Buffer.from(answer?.body ?? '')), { entityId: `${app}/saml/metadata`, keys })
    assert.deepEqual([response.inResponseTo, response.status.code], ['_logout1', status.success().code])
    assert.equal(await stage.provider.session(cookie), undefined)
  })

  test('by Redirect in a browser without cookies; the answer goes to the response address and carries RelayState', async () => {
    const stage = createStage()
    const { cookie } = await signIn(stage)
    const parts = serialiseLogoutRequest(stage.logoutRequest({ destination: `${app}/saml/slo` }))
    const url = await encodeRedirect(`${app}/saml/slo`, { parameter: 'SAMLRequest', xml: parts.head + parts.tail, relayState: 'keep me' }, stage.idp)
    const answer = await stage.provider.handle(request('GET', url.slice(app.length)))
    const location = String(answer?.headers['location'])
    assert.ok(location.startsWith(`${idpEntity}/slo/done?SAMLResponse=`))
    assert.equal(decodeRedirect(location.slice(location.indexOf('?') + 1)).relayState, 'keep me')
    assert.equal(await stage.provider.session(cookie), undefined)
  })

  test('only the sessions that the request names; without an index all of the name', async () => {
    const stage = createStage()
    const { cookie } = await signIn(stage)
    const send = (more: object): Promise<unknown> => stage.provider.handle(request('POST', '/saml/slo/soap', { body: stage.soap(stage.logoutRequest(more)) }))
    await send({ sessionIndexes: ['another'] })
    await send({ subject: { value: 'ben', format: stage.logoutRequest().subject.format } })
    assert.notEqual(await stage.provider.session(cookie), undefined)
    await send({ sessionIndexes: [] })
    assert.equal(await stage.provider.session(cookie), undefined)
  })

  test('SAML Core 3.7.3.1: an assertion of that sign-in that arrives late opens nothing', async () => {
    const stage = createStage()
    await stage.provider.handle(request('POST', '/saml/slo/soap', { body: stage.soap(stage.logoutRequest()) }))
    assert.equal(await post(stage, stage.response({ id: '_late' })), 400)
    assert.equal(stage.events.at(-1)?.kind, 'refused')
    assert.equal(await post(stage, stage.response({ id: '_other', sessionIndex: 'index-2' })), 303, 'another sign-in is not touched')
  })

  test('not by an unsigned, forged, misdirected or expired request', async () => {
    const stage = createStage()
    const { cookie } = await signIn(stage)
    const bodies = [
      stage.soap(stage.logoutRequest()).replace(/<ds:Signature .*?<\/ds:Signature>/, ''),
      stage.soap(stage.logoutRequest()).replace('>ana<', '>ben<'),
      stage.soap(stage.logoutRequest({ destination: 'https://other.example/slo' })),
      stage.soap(stage.logoutRequest({ notOnOrAfter: Temporal.Instant.fromEpochMilliseconds(stage.nowMs - 120_000) }))
    ]
    for (const body of bodies) assert.equal((await stage.provider.handle(request('POST', '/saml/slo/soap', { body })))?.status, 400)
    assert.notEqual(await stage.provider.session(cookie), undefined)
  })

  test('an asynchronous request gets a page and no LogoutResponse', async () => {
    const stage = createStage()
    await signIn(stage)
    const parts = serialiseLogoutRequest(stage.logoutRequest({ destination: `${app}/saml/slo`, asynchronous: true }))
    const url = await encodeRedirect(`${app}/saml/slo`, { parameter: 'SAMLRequest', xml: parts.head + parts.tail }, stage.idp)
    const answer = await stage.provider.handle(request('GET', url.slice(app.length)))
    assert.equal(answer?.status, 200)
    assert.equal(answer?.headers['location'], undefined)
  })
})

suite('SAML Core 3.7.3.1: service provider guard with its sessions in memory', () => {
  for (const { name, run } of laterSignIns) test(name, () => run(createMemorySessionRegistry()))
})

suite('Service provider guard: signing out everywhere', () => {
  async function begin(stage: Stage, more: Parameters<typeof request>[2] = {}) {
    const { cookie } = await signIn(stage)
    const answer = await stage.provider.handle(request('POST', '/saml/logout', { cookie, origin: app, ...more }))
    return { cookie, answer }
  }

  test('ends its own session first, then asks the identity provider with the SessionIndex', async () => {
    const stage = createStage()
    const { cookie, answer } = await begin(stage)
    assert.equal(await stage.provider.session(cookie), undefined)
    const location = String(answer?.headers['location'])
    assert.ok(location.startsWith(`${idpEntity}/slo?SAMLRequest=`))
    assert.equal(decodeRedirect(location.slice(location.indexOf('?') + 1)).kind, 'LogoutRequest')
  })

  for (const [name, answerStatus, landing] of [
    ['success', status.success(), '/?signout=complete'],
    ['success with PartialLogout', status.partialLogout(), '/?signout=partial'],
    ['an error', status.responder(), '/?signout=failed']
  ] as const) {
    test(`tells the user about ${name}`, async () => {
      const stage = createStage()
      const { answer } = await begin(stage)
      const location = String(answer?.headers['location'])
      const { claimed } = decodeRedirect(location.slice(location.indexOf('?') + 1))
      const parts = serialiseLogoutResponse({
        kind: 'LogoutResponse',
        id: '_r',
        issuer: idpEntity,
        issueInstant: Temporal.Instant.fromEpochMilliseconds(stage.nowMs),
        destination: `${app}/saml/slo`,
        inResponseTo: claimed.id,
        status: answerStatus
      })
      const url = await encodeRedirect(`${app}/saml/slo`, { parameter: 'SAMLResponse', xml: parts.head + parts.tail }, stage.idp)
      assert.equal((await stage.provider.handle(request('GET', url.slice(app.length))))?.headers['location'], landing)
      assert.equal((await stage.provider.handle(request('GET', url.slice(app.length))))?.status, 400, 'once')
    })
  }

  test('is not started by a page of another site', async () => {
    const stage = createStage()
    for (const more of [{ origin: 'https://evil.example' }, { origin: 'null', fetchSite: 'cross-site' }]) {
      const { cookie, answer } = await begin(stage, more)
      assert.equal(answer?.status, 400)
      assert.notEqual(await stage.provider.session(cookie), undefined)
    }
  })
})
