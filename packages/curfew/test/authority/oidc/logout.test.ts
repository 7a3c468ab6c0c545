import assert from 'node:assert/strict'
import { createPublicKey } from 'node:crypto'
import { suite, test } from 'node:test'
import { decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import type { EndReason } from '../../../src/core/session.ts'
import type { OutboundRequest, OutboundResponse } from '../../../src/platform/outbound.ts'
import { type Browser, formOf } from '../browser.ts'
import { authorityPair, type Kit, type KitOptions } from '../kit.ts'
import { moving, newest } from '../moving.ts'
import { authorizationUrl, clientOf, codeFor, createOidcKit, exchange, follow, post, refresh, returned, signIn, tokensFor } from './relying-party.ts'

interface Told {
  readonly url: string
  readonly token: string
}

/** A network that notes what clients are told, and answers as told to. */
function network(answer: (request: OutboundRequest) => Partial<OutboundResponse> = () => ({ status: 200 })) {
  const told: Told[] = []
  const call = async (request: OutboundRequest): Promise<Partial<OutboundResponse>> => {
    told.push({ url: request.url, token: new URLSearchParams(String(request.body)).get('logout_token') ?? '' })
    return answer(request)
  }
  return { told, call }
}

async function signedIn(options: KitOptions, ids = ['wiki', 'chat']): Promise<{ readonly kit: Kit; readonly browser: Browser }> {
  const kit = await createOidcKit(options)
  const browser = kit.browser()
  for (const id of ids) await tokensFor(kit, browser, id)
  return { kit, browser }
}

/** Lets the outbox work; the clock moves only as far as a test says. */
async function settle(kit: Kit, until: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 5_000 && !(await until()); i++) await new Promise((resolve) => setTimeout(resolve, 1))
}

async function logOut(kit: Kit, browser: Browser): Promise<string> {
  const { headers } = await browser.get('/idp/startSLO.ping', { 'sec-fetch-site': 'none' })
  await settle(kit, async () => (await newest(kit)).deliveries.every(({ state }) => state === 'final' || state === 'waiting-for-browser'))
  return String(headers.location)
}

suite('OpenID logout: back channel', () => {
  test('AC-167 every client of the session gets a logout token of its own: typed, signed, five minutes long, without nonce', async () => {
    const { told, call } = network()
    const { kit, browser } = await signedIn({ network: call })
    await using _kit = kit
    const session = (await kit.store.listSessions({ limit: 1, nowMs: kit.clock.nowMs() })).items[0]?.session ?? assert.fail()
    await logOut(kit, browser)
    assert.deepEqual(told.map(({ url }) => url).sort(), ['http://chat.test/backchannel', 'http://wiki.test/backchannel'])
    const wiki = told.find(({ url }) => url.includes('wiki'))?.token ?? ''
    const key = createPublicKey(authorityPair.key.export({ type: 'pkcs8', format: 'pem' }).toString())
    const { payload, protectedHeader } = await jwtVerify(wiki, key, {
      issuer: 'http://curfew.test',
      audience: 'wiki',
      typ: 'logout+jwt',
      algorithms: ['ES256']
    })
    assert.equal(Number(payload.exp) - Number(payload.iat), 300)
    assert.deepEqual(payload['events'], { 'http://schemas.openid.net/event/backchannel-logout': {} })
    assert.equal(payload['sid'], kit.ctx.locator.seal('wiki', session.id))
    assert.equal(payload['nonce'], undefined)
    assert.ok(protectedHeader.kid)
    const run = await newest(kit)
    assert.deepEqual(
      run.deliveries.map(({ outcome }) => outcome?.kind),
      ['ended', 'ended']
    )
    assert.equal(run.deliveries[0]?.outcome?.kind === 'ended' && run.deliveries[0].outcome.proof.kind, 'authenticated-2xx')
  })

  test('AC-169 only clients used in this session are told, and only those that are tracked', async () => {
    const { told, call } = network()
    const clients = [
      clientOf('wiki'),
      clientOf('chat'),
      clientOf('mail', { logout: { modes: ['backChannel'], backChannelUri: 'http://mail.test/b', trackSessions: false } })
    ]
    const { kit, browser } = await signedIn({ network: call, clients }, ['wiki', 'mail'])
    await using _kit = kit
    await logOut(kit, browser)
    assert.deepEqual(
      told.map(({ url }) => url),
      ['http://wiki.test/backchannel']
    )
  })

  test('a client that fails is tried again with a fresh token until it answers', async () => {
    let failures = 2
    const { told, call } = network(() => ({ status: (failures -= 1) >= 0 ? 503 : 200 }))
    const { kit, browser } = await signedIn({ network: call }, ['wiki'])
    await using _kit = kit
    await browser.get('/idp/startSLO.ping', { 'sec-fetch-site': 'none' })
    await moving(kit, async () => (await newest(kit)).state === 'done')
    assert.equal(told.length, 3)
    assert.equal((await newest(kit)).deliveries[0]?.outcome?.kind, 'ended')
    const tokens = told.map(({ token }) => decodeJwt(token))
    assert.equal(new Set(tokens.map(({ jti }) => jti)).size, 3)
    assert.equal(new Set(tokens.map(({ iat }) => iat)).size, 3)
  })

  const answers: Readonly<Record<number, string>> = { 200: 'ended', 204: 'ended', 400: 'refused', 403: 'refused', 302: 'unconfirmed', 501: 'unreachable' }
  for (const [status, outcome] of Object.entries(answers)) {
    test(`an answer with status ${status} is ${outcome}`, async () => {
      const { call } = network(() => ({ status: Number(status), body: Buffer.from('{"error":"invalid_request"}') }))
      const { kit, browser } = await signedIn({ network: call }, ['wiki'])
      await using _kit = kit
      await logOut(kit, browser)
      assert.equal((await newest(kit)).deliveries[0]?.outcome?.kind, outcome)
    })
  }

  const reasons: readonly EndReason[] = [
    'user',
    'admin',
    'upstream',
    'idle-timeout',
    'max-timeout',
    'session-limit',
    'password-change',
    'account-lock',
    'token-revocation',
    'shared-signal'
  ]
  for (const reason of reasons) {
    test(`an ending by ${reason} reaches the client`, async () => {
      const { told, call } = network()
      const { kit } = await signedIn({ network: call }, ['wiki'])
      await using _kit = kit
      const session = (await kit.store.listSessions({ limit: 1, nowMs: kit.clock.nowMs() })).items[0]?.session ?? assert.fail()
      await kit.ctx.engine.endSessions({
        scope: { kind: 'session', sessionId: session.id },
        reason,
        by: { kind: 'system', id: 'test' },
        starter: { kind: 'none' },
        browser: 'absent'
      })
      await settle(kit, async () => (await newest(kit)).state === 'done')
      assert.equal(told.length, 1)
      assert.equal(decodeProtectedHeader(told[0]?.token ?? '').typ, 'logout+jwt')
    })
  }

  test('AC-168 a SAML logout of an application reaches the OpenID clients of the session', async () => {
    const { told, call } = network()
    const { kit, browser } = await signedIn({ network: call, partners: { payroll: {} } }, ['wiki'])
    await using _kit = kit
    const payroll = kit.partner('payroll')
    const { response } = payroll.readResponse((await browser.get(await payroll.ssoRedirect())).body)
    const subject = response.assertion?.subject.nameId ?? assert.fail()
    await browser.get(await payroll.logoutRedirect(payroll.logoutRequest(subject, [response.assertion?.authnStatement?.sessionIndex ?? ''])))
    await settle(kit, () => told.length > 0)
    assert.deepEqual(
      told.map(({ url }) => url),
      ['http://wiki.test/backchannel']
    )
  })
})

suite('OpenID logout: what a session was worth', () => {
  test('after it, codes, access tokens and refresh tokens are worth nothing', async () => {
    const { call } = network()
    const { kit, browser } = await signedIn({ network: call }, [])
    await using _kit = kit
    const tokens = await tokensFor(kit, browser, 'wiki')
    const code = await codeFor(kit, browser, 'chat')
    const introspected = async (token: string): Promise<boolean> =>
      (await post(kit, '/as/introspect.oauth2', 'wiki', { token })).json<{ active: boolean }>().active
    assert.equal(await introspected(tokens.access_token), true)
    await logOut(kit, browser)
    assert.equal(await introspected(tokens.access_token), false)
    assert.equal((await kit.app.inject({ url: '/idp/userinfo.openid', headers: { authorization: `Bearer ${tokens.access_token}` } })).statusCode, 401)
    assert.equal((await refresh(kit, 'wiki', tokens.refresh_token ?? '')).statusCode, 400)
    assert.equal((await exchange(kit, 'chat', code)).statusCode, 400)
  })

  test('an offline grant goes on, as it was asked for', async () => {
    const { call } = network()
    const { kit, browser } = await signedIn({ network: call }, [])
    await using _kit = kit
    await signIn(browser, '/')
    const form = formOf((await follow(browser, await browser.get(authorizationUrl('wiki', { scope: 'openid offline_access', prompt: 'consent' })))).body)
    const code = returned(await follow(browser, await browser.post(form.action, { ...form.fields, choice: 'allow' }))).get('code') ?? ''
    const offline = (await exchange(kit, 'wiki', code)).json<{ refresh_token: string }>()
    await logOut(kit, browser)
    const next = await refresh(kit, 'wiki', offline.refresh_token)
    assert.equal(next.statusCode, 200, next.body)
    const { access_token: token } = next.json<{ access_token: string }>()
    assert.equal((await post(kit, '/as/introspect.oauth2', 'wiki', { token })).json<{ active: boolean }>().active, true)
  })

  test('a revoked refresh token takes its access tokens with it; another client can revoke nothing', async () => {
    const { kit, browser } = await signedIn({}, [])
    await using _kit = kit
    const { access_token: access, refresh_token: token = '' } = await tokensFor(kit, browser, 'wiki')
    const active = async (): Promise<boolean> => (await post(kit, '/as/introspect.oauth2', 'chat', { token: access })).json<{ active: boolean }>().active
    assert.equal((await post(kit, '/as/revoke_token.oauth2', 'chat', { token })).statusCode, 200)
    assert.equal(await active(), true)
    assert.equal((await post(kit, '/as/revoke_token.oauth2', 'wiki', { token })).statusCode, 200)
    assert.equal(await active(), false)
    assert.equal((await post(kit, '/as/revoke_token.oauth2', 'wiki', { token: 'unknown' })).statusCode, 200)
  })

  test('introspection needs a client that proves who it is', async () => {
    await using kit = await createOidcKit()
    const ask = (authorization: string) =>
      kit.app.inject({
        method: 'POST',
        url: '/as/introspect.oauth2',
        headers: { authorization, 'content-type': 'application/x-www-form-urlencoded' },
        payload: 'token=x'
      })
    for (const header of ['', 'Basic !!', `Basic ${Buffer.from('wiki:wrong').toString('base64')}`, `Basic ${Buffer.from('nobody:x').toString('base64')}`]) {
      const answer = await ask(header)
      assert.equal(answer.statusCode, 401, header)
      assert.equal(answer.json<{ error: string }>().error, 'invalid_client')
    }
  })
})

suite('OpenID logout: front channel', () => {
  const front = (id: string, mode: 'frontChannel' | 'pingFrontChannel') =>
    clientOf(id, { logout: { modes: [mode], frontChannelUris: [`http://${id}.test/front?a=1`] } })

  test('AC-166 AC-161 a frame for each client of the standard, a picture for each of the replaced product, with iss and sid; no answer, so unconfirmed', async () => {
    const { kit, browser } = await signedIn(
      { clients: [front('wiki', 'frontChannel'), front('chat', 'pingFrontChannel'), clientOf('mail', { logout: { modes: ['none'] } })] },
      ['wiki', 'chat', 'mail']
    )
    await using _kit = kit
    const session = (await kit.store.listSessions({ limit: 1, nowMs: kit.clock.nowMs() })).items[0]?.session ?? assert.fail()
    const path = await logOut(kit, browser)
    const page = browser.get(path)
    const run = await newest(kit)
    const id = (peer: string): string => run.deliveries.find(({ peerId }) => peerId === peer)?.id ?? ''
    const frame = await browser.get(`${path}/frame/${id('wiki')}`)
    const url = new URL(String(frame.headers.location))
    assert.equal(`${url.origin}${url.pathname}`, 'http://wiki.test/front')
    assert.deepEqual(Object.fromEntries(url.searchParams), { a: '1', iss: 'http://curfew.test', sid: kit.ctx.locator.seal('wiki', session.id) })
    const image = await browser.get(`${path}/frame/${id('chat')}`)
    assert.equal(image.headers.location, 'http://chat.test/front?a=1')
    const moving = setInterval(() => kit.clock.advance(1_000), 5)
    const { body, headers } = await page
    clearInterval(moving)
    assert.match(body, new RegExp(`<iframe src="${path}/frame/${id('wiki')}"`))
    assert.match(body, new RegExp(`<img src="${path}/frame/${id('chat')}"`))
    assert.match(String(headers['content-security-policy']), /frame-src 'self' http:\/\/wiki\.test/)
    assert.match(String(headers['content-security-policy']), /img-src 'self' data: http:\/\/chat\.test/)
    // A browser holds the refresh back while a frame hangs; a script that the policy lets run does not.
    const nonce = /script-src 'nonce-([^']+)'/.exec(String(headers['content-security-policy']))?.[1] ?? assert.fail()
    assert.ok(body.includes(`<script nonce="${nonce}">setTimeout(() => location.replace("${path}/finish"), 0)</script>`), body.slice(-600))
    await settle(kit, async () => (await newest(kit)).state === 'done')
    assert.deepEqual((await newest(kit)).deliveries.map(({ peerId, outcome }) => [peerId, outcome?.kind]).sort(), [
      ['chat', 'unconfirmed'],
      ['mail', 'unsupported'],
      ['wiki', 'unconfirmed']
    ])
    assert.match((await browser.get(path)).body, /did not confirm/)
  })

  test('a client with both is asked by the back channel, and by the frame only when that fails', async () => {
    const both = clientOf('wiki', {
      logout: { modes: ['frontChannel', 'backChannel'], frontChannelUris: ['http://wiki.test/front'], backChannelUri: 'http://wiki.test/back' }
    })
    const { kit, browser } = await signedIn({ clients: [both], network: network(() => ({ status: 404 })).call }, ['wiki'])
    await using _kit = kit
    await logOut(kit, browser)
    const [delivery] = (await newest(kit)).deliveries
    assert.deepEqual(
      delivery?.channels.map(({ binding }) => binding),
      ['back-channel', 'front-channel']
    )
    assert.equal(delivery?.channelIndex, 1)
    assert.equal(delivery?.state, 'waiting-for-browser')
  })
})
