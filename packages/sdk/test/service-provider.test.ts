import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import {
  decodeRedirect,
  decodeSoap,
  encodeRedirect,
  serialiseLogoutRequest,
  serialiseLogoutResponse,
  signEnvelopedSync,
  status,
  verificationKeyFromCertificate,
  verifyLogoutResponse,
  parseMetadata
} from '@curfew/codecs'
import { createMemorySessionRegistry, type GuardResponse, type UnsolicitedResponses } from '../src/index.ts'
import { laterSignIns } from './later-sign-ins.ts'
import { app, beginSignIn, begunBy, bringAnswer, cookieOf, createStage, foreignKey, idpEntity, postResponse, request, signIn, type Stage } from './provider.ts'

const lastCode = ({ events }: Stage): string | undefined => events.flatMap((event) => (event.kind === 'refused' ? [event.code] : [])).at(-1)

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

  test('an answer is taken once, and so is the way to it', async () => {
    const stage = createStage()
    const { cookie, inResponseTo } = await beginSignIn(stage)
    const xml = stage.response({ inResponseTo })
    const way = String((await postResponse(stage, xml))?.headers['location'])
    assert.equal((await postResponse(stage, xml))?.status, 400)
    const come = () => stage.provider.handle(request('GET', way, { cookie }))
    assert.equal((await come())?.status, 303)
    assert.equal((await come())?.status, 400)
    assert.equal(lastCode(stage), 'CURFEW_SAML_IN_RESPONSE_TO')
    const again = stage.response({ inResponseTo: (await beginSignIn(stage)).inResponseTo })
    assert.equal((await postResponse(stage, again))?.status, 400, 'the same assertion in answer to another request')
    assert.equal(lastCode(stage), 'CURFEW_SAML_REPLAYED')
  })

  test('an answer to no request of ours, an expired one and a forged one open nothing', async () => {
    const stage = createStage()
    assert.equal((await postResponse(stage, stage.response({ inResponseTo: '_never_asked' })))?.status, 400)
    assert.equal((await postResponse(stage, stage.response({ signing: foreignKey })))?.status, 400)
    const { cookie, inResponseTo } = await beginSignIn(stage)
    assert.equal((await postResponse(stage, stage.response({ inResponseTo, signing: foreignKey }), { cookie }))?.status, 400)
    const old = [stage.response({ inResponseTo, id: '_old' }), stage.response()]
    stage.nowMs += 10 * 60_000
    for (const xml of old) assert.equal((await postResponse(stage, xml, { cookie }))?.status, 400)
    assert.ok(stage.events.every((event) => event.kind === 'refused'))
  })

  test('publishes metadata that can be read', () => {
    const [entity] = parseMetadata(Buffer.from(createStage().provider.metadata))
    assert.equal(entity?.sp?.singleLogoutServices.length, 3)
    assert.equal(entity?.sp?.assertionConsumerServices[0]?.location, `${app}/saml/acs`)
  })
})

suite('Service provider guard: which browser signs in', () => {
  const location = (answer: GuardResponse | undefined): string => String(answer?.headers['location'])
  const get = (stage: Stage, target: string, cookie?: string) => stage.provider.handle(request('GET', target, cookie === undefined ? {} : { cookie }))

  test('the cookie of a sign-in is for no script, for 15 minutes, and comes along when another site sends the browser back', async () => {
    const start = await get(createStage(), '/saml/login?to=/')
    assert.match(String(start?.headers['set-cookie']), /^app_session_saml_login=[\w-]{43}\.0; Path=\/; HttpOnly; SameSite=Lax; Secure; Max-Age=900$/)
  })

  test('a form that comes without cookies opens nothing before its browser has shown that it asked', async () => {
    const stage = createStage()
    const { cookie, inResponseTo } = await beginSignIn(stage)
    const posted = await postResponse(stage, stage.response({ inResponseTo }))
    assert.match(location(posted), /^\/saml\/acs\?arrived=[\w-]{43}$/)
    assert.deepEqual([posted?.status, posted?.headers['set-cookie'], stage.events.length], [303, undefined, 0])
    const opened = await get(stage, location(posted), cookie)
    assert.equal(location(opened), '/salary?month=2')
    assert.equal((await stage.provider.session(cookieOf(opened?.headers)))?.nameId.value, 'ana')
  })

  test('a form that brings the cookie, as one of the same site does, opens the session at once', async () => {
    const stage = createStage()
    const { cookie, inResponseTo } = await beginSignIn(stage)
    const opened = await postResponse(stage, stage.response({ inResponseTo }), { cookie })
    assert.equal(location(opened), '/salary?month=2')
    assert.equal((await stage.provider.session(cookieOf(opened?.headers)))?.nameId.value, 'ana')
  })

  test('a signed Response that names no Destination, or another one, signs nobody in', async () => {
    for (const around of [{}, { destination: 'https://other.example/acs' }]) {
      const stage = createStage()
      const { cookie, inResponseTo } = await beginSignIn(stage)
      assert.equal((await postResponse(stage, stage.response({ inResponseTo, around }), { cookie }))?.status, 400)
      assert.equal(lastCode(stage), 'CURFEW_SAML_DESTINATION_WRONG')
    }
    const stage = createStage()
    const { cookie, inResponseTo } = await beginSignIn(stage)
    const xml = stage.response({ inResponseTo, around: { destination: `${app}/saml/acs` } })
    assert.equal(location(await postResponse(stage, xml, { cookie })), '/salary?month=2')
  })

  test('what waits for its browser is there for two minutes', async () => {
    const stage = createStage()
    const { cookie, inResponseTo } = await beginSignIn(stage)
    const way = location(await postResponse(stage, stage.response({ inResponseTo })))
    stage.nowMs += 2 * 60_000
    assert.equal((await get(stage, way, cookie))?.status, 400)
    assert.equal(lastCode(stage), 'CURFEW_SAML_IN_RESPONSE_TO')
  })

  test('what waits for its browser stays there, however many sign-ins strangers begin meanwhile', async () => {
    const stage = createStage({ spareValuesMax: 4 })
    const { cookie, inResponseTo } = await beginSignIn(stage)
    const way = location(await postResponse(stage, stage.response({ inResponseTo })))
    for (let i = 0; i < 20; i++) await beginSignIn(stage)
    assert.equal(location(await get(stage, way, cookie)), '/salary?month=2')
  })

  test('two tabs of one browser sign in one after the other, each to where it wanted', async () => {
    const stage = createStage()
    const one = await beginSignIn(stage, '/one')
    const two = await beginSignIn(stage, '/two', one.cookie)
    assert.deepEqual([location(await bringAnswer(stage, two)), location(await bringAnswer(stage, { ...one, cookie: two.cookie }))], ['/two', '/one'])
  })

  test('tabs that a browser without the cookie opens all at once sign in all the same: the last cookie stays, and the others start anew, once', async () => {
    const stage = createStage()
    const begun = await Promise.all(['/one', '/two', '/three'].map((to) => beginSignIn(stage, to)))
    const cookie = begun.at(-1)?.cookie ?? ''
    for (const [i, to] of ['/one', '/two', '/three'].entries()) {
      const first = await bringAnswer(stage, { inResponseTo: begun[i]?.inResponseTo ?? '', cookie })
      const last = location(first).startsWith(idpEntity) ? await bringAnswer(stage, { ...begunBy(first), cookie }) : first
      assert.equal(location(last), to)
    }
    assert.deepEqual(
      stage.events.map((event) => (event.kind === 'refused' ? event.code : event.kind)),
      ['CURFEW_SAML_BROWSER_OTHER', 'signed-in', 'CURFEW_SAML_BROWSER_OTHER', 'signed-in', 'signed-in']
    )
  })

  test('a browser that keeps no cookies is told so after its second attempt, and not sent around for ever', async () => {
    const stage = createStage()
    const { inResponseTo } = await beginSignIn(stage)
    const again = begunBy(await bringAnswer(stage, { inResponseTo, cookie: '' }))
    assert.equal((await bringAnswer(stage, { ...again, cookie: '' }))?.status, 400)
    assert.equal(lastCode(stage), 'CURFEW_SAML_BROWSER_OTHER')
  })

  test('any process of the application may hear of the request, of the answer and of the browser; each counts once among all', async () => {
    const one = createStage()
    const two = createStage(one.registry)
    const { cookie, inResponseTo } = await beginSignIn(one)
    const xml = one.response({ inResponseTo })
    const way = location(await postResponse(two, xml))
    assert.equal((await postResponse(one, xml))?.status, 400)
    const come = (stage: Stage) => get(stage, way, cookie)
    const answers = await Promise.all([come(one), come(two), come(one), come(two)])
    assert.deepEqual(answers.map((answer) => answer?.status).sort(), [303, 400, 400, 400])
    assert.equal([...one.events, ...two.events].filter(({ kind }) => kind === 'signed-in').length, 1)
  })
})

suite('SAML Profiles 4.1.5: answers that nobody asked for', () => {
  const stageFor = (unsolicitedResponses?: UnsolicitedResponses): Stage =>
    createStage({}, undefined, unsolicitedResponses === undefined ? {} : { unsolicitedResponses })
  const location = (answer: GuardResponse | undefined): string => String(answer?.headers['location'])

  test('the application asks the provider itself, and the user ends where RelayState leads', async () => {
    const stage = stageFor()
    const restarted = await postResponse(stage, stage.response(), { relayState: '/salary?month=3' })
    assert.deepEqual([location(restarted), restarted?.headers['set-cookie']], ['/saml/login?to=%2Fsalary%3Fmonth%3D3&unsolicited=1', undefined])
    const begun = begunBy(await stage.provider.handle(request('GET', location(restarted))))
    const opened = await bringAnswer(stage, begun)
    assert.equal(location(opened), '/salary?month=3')
    assert.deepEqual(
      stage.events.map(({ kind }) => kind),
      ['signed-in']
    )
    assert.match([opened?.headers['set-cookie'] ?? []].flat()[1] ?? '', /_saml_login=[\w-]{43}\.0;/, 'and the count begins anew')
  })

  test('RelayState that leads elsewhere is not followed', async () => {
    for (const relayState of ['https://evil.example/', '//evil.example', 'opaque'])
      for (const kind of ['restart', 'accept'] as const) {
        const stage = stageFor(kind)
        const answer = location(await postResponse(stage, stage.response(), { relayState }))
        assert.equal(answer, kind === 'accept' ? '/' : '/saml/login?to=%2F&unsolicited=1')
      }
  })

  test('a provider that answers requests with such is not asked for ever; starting from the application counts anew', async () => {
    const stage = stageFor()
    let cookie = ''
    const round = async (): Promise<number | undefined> => {
      const answer = await stage.provider.handle(request('GET', location(await postResponse(stage, stage.response())), { cookie }))
      if (answer?.status === 303) cookie = cookieOf(answer.headers)
      return answer?.status
    }
    assert.deepEqual([await round(), await round(), await round(), await round(), await round()], [303, 303, 303, 400, 400])
    assert.equal(lastCode(stage), 'CURFEW_SAML_UNSOLICITED')
    cookie = (await beginSignIn(stage, '/', cookie)).cookie
    assert.equal(await round(), 303)
  })

  test('nor by a browser that keeps no cookies: RelayState says which request the answer follows', async () => {
    const stage = stageFor()
    let relayState = '/salary?month=3'
    const statuses: (number | undefined)[] = []
    for (let i = 0; i < 4; i++) {
      const restarted = location(await postResponse(stage, stage.response(), { relayState }))
      assert.equal(restarted, `/saml/login?to=%2Fsalary%3Fmonth%3D3&unsolicited=${i + 1}`)
      const answer = await stage.provider.handle(request('GET', restarted))
      statuses.push(answer?.status)
      if (answer?.status === 303) relayState = new URL(location(answer)).searchParams.get('RelayState') ?? ''
    }
    assert.deepEqual(statuses, [303, 303, 303, 400])
    assert.equal(lastCode(stage), 'CURFEW_SAML_UNSOLICITED')
    assert.ok(!location(await stage.provider.handle(request('GET', '/saml/login?to=/'))).includes('RelayState'))
  })

  test('a count in the address that is none of ours is not gone by', async () => {
    for (const count of ['', '-1', '1e9', 'NaN', '77'])
      assert.equal((await createStage().provider.handle(request('GET', `/saml/login?unsolicited=${count}`)))?.status, 303)
  })

  test('`refuse`: nothing comes of it, and an answer that was asked for is taken', async () => {
    const stage = stageFor('refuse')
    assert.equal((await postResponse(stage, stage.response()))?.status, 400)
    assert.equal(lastCode(stage), 'CURFEW_SAML_UNSOLICITED')
    assert.notEqual((await signIn(stage)).cookie, '')
  })

  test('`accept`: it signs in, once, and not after its logout', async () => {
    const stage = stageFor('accept')
    const xml = stage.response()
    const opened = await postResponse(stage, xml, { relayState: '/salary' })
    assert.equal(location(opened), '/salary')
    assert.equal((await stage.provider.session(cookieOf(opened?.headers)))?.nameId.value, 'ana')
    assert.equal((await postResponse(stage, xml))?.status, 400)
    assert.equal(lastCode(stage), 'CURFEW_SAML_REPLAYED')
    await stage.provider.handle(request('POST', '/saml/slo/soap', { body: stage.soap(stage.logoutRequest()) }))
    assert.equal((await postResponse(stage, stage.response({ id: '_late' })))?.status, 400)
    assert.equal(lastCode(stage), 'CURFEW_SAML_SESSION_ENDED')
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
    await send({ id: '_logout2', sessionIndexes: ['another'] })
    await send({ id: '_logout3', subject: { value: 'ben', format: stage.logoutRequest().subject.format } })
    assert.notEqual(await stage.provider.session(cookie), undefined)
    await send({ sessionIndexes: [] })
    assert.equal(await stage.provider.session(cookie), undefined)
  })

  test('a posted LogoutRequest that comes again is answered, and leaves the browser the cookie of what it opened since', async () => {
    const stage = createStage()
    await signIn(stage)
    stage.nowMs += 2_000
    const captured = signEnvelopedSync(serialiseLogoutRequest(stage.logoutRequest({ destination: `${app}/saml/slo` })), stage.idp)
    const body = new URLSearchParams({ SAMLRequest: Buffer.from(captured).toString('base64') }).toString()
    const post = () => stage.provider.handle(request('POST', '/saml/slo', { body }))
    assert.match(String((await post())?.headers['set-cookie']), /^app_session=; .*Max-Age=0/)
    stage.nowMs += 2_000
    const { cookie } = await signIn(stage)
    const again = await post()
    assert.deepEqual([again?.status, again?.headers['set-cookie']], [303, undefined])
    assert.match(String(again?.headers['location']), /^https:\/\/idp\.example\/slo\/done\?SAMLResponse=/)
    assert.equal((await stage.provider.session(cookie))?.nameId.value, 'ana')
  })

  test('SAML Core 3.7.3.1: an assertion of that sign-in that arrives late opens nothing', async () => {
    const stage = createStage()
    const [late, waiting, other] = [await beginSignIn(stage), await beginSignIn(stage), await beginSignIn(stage)]
    const way = String((await postResponse(stage, stage.response({ inResponseTo: waiting.inResponseTo, id: '_waiting' })))?.headers['location'])
    await stage.provider.handle(request('POST', '/saml/slo/soap', { body: stage.soap(stage.logoutRequest()) }))
    assert.equal((await bringAnswer(stage, late))?.status, 400)
    assert.equal(lastCode(stage), 'CURFEW_SAML_SESSION_ENDED')
    assert.equal((await stage.provider.handle(request('GET', way, { cookie: waiting.cookie })))?.status, 400, 'nor does one that waits for its browser')
    assert.ok(stage.events.every((event) => event.kind === 'refused'))
    assert.equal((await bringAnswer(stage, other, { sessionIndex: 'index-2' }))?.headers['location'], '/salary?month=2', 'another sign-in is not touched')
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
