import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { decodeJwt } from 'jose'
import { type Browser, formOf } from '../browser.ts'
import type { Kit } from '../kit.ts'
import { authorizationUrl, clientOf, createOidcKit, exchange, follow, returned, signInOn, tokensFor } from './relying-party.ts'

async function liveUsers(kit: Kit): Promise<readonly string[]> {
  const { items } = await kit.store.listSessions({ state: 'live', limit: 5, nowMs: kit.clock.nowMs() })
  return items.map(({ session }) => session.username)
}

const ask = async (browser: Browser, more: Readonly<Record<string, string>> = {}) =>
  follow(browser, await browser.get(authorizationUrl('wiki', { prompt: 'select_account', ...more })))

suite('prompt=select_account', () => {
  test('the page says who is signed in, and the person goes on without a password', async () => {
    await using kit = await createOidcKit()
    const browser = kit.browser()
    const first = await tokensFor(kit, browser, 'wiki')
    const page = await ask(browser)
    assert.match(page.body, /Go on as ana\?/)
    const form = formOf(page.body)
    const code = returned(await follow(browser, await browser.post(form.action, { ...form.fields, choice: 'continue' }))).get('code') ?? assert.fail()
    assert.equal(decodeJwt((await exchange(kit, 'wiki', code)).json<{ id_token: string }>().id_token).sub, first.claims['sub'])
  })

  test('or signs in as somebody else: the session before ends first', async () => {
    await using kit = await createOidcKit({
      clients: [clientOf('wiki', { logout: { modes: ['backChannel'], backChannelUri: 'http://wiki.test/back' } })],
      network: async () => ({ status: 200 })
    })
    const browser = kit.browser()
    await tokensFor(kit, browser, 'wiki')
    const form = formOf((await ask(browser)).body)
    const page = await follow(browser, await browser.post(form.action, { ...form.fields, choice: 'other' }))
    assert.match(page.body, /name="username" value=""/)
    const leaving = await signInOn(browser, page, 'ben', 'battery staple')
    assert.equal((await liveUsers(kit)).includes('ana'), false)
    for (let i = 0; i < 5_000 && (await kit.store.listRuns({ limit: 1 })).items[0]?.state !== 'done'; i++)
      await new Promise((resolve) => setTimeout(resolve, 2))
    const code = returned(await follow(browser, leaving)).get('code') ?? assert.fail()
    assert.equal(decodeJwt((await exchange(kit, 'wiki', code)).json<{ id_token: string }>().id_token)['preferred_username'], 'ben')
    assert.deepEqual(await liveUsers(kit), ['ben'])
  })

  test('where nobody is signed in the form comes, once', async () => {
    await using kit = await createOidcKit()
    const browser = kit.browser()
    const page = await ask(browser, { login_hint: 'ben' })
    assert.match(page.body, /name="username" value="ben"/)
    assert.ok(returned(await follow(browser, await signInOn(browser, page))).get('code'))
    assert.deepEqual(await liveUsers(kit), ['ana'])
  })

  test('with prompt=login as well, going on still asks for the password', async () => {
    await using kit = await createOidcKit()
    const browser = kit.browser()
    await tokensFor(kit, browser, 'wiki')
    const form = formOf((await ask(browser, { prompt: 'select_account login' })).body)
    const page = await follow(browser, await browser.post(form.action, { ...form.fields, choice: 'continue' }))
    assert.match(page.body, /type="password"/)
  })

  test('going on means the session that the page spoke of: after another sign-in in between nothing goes on, nor after its end', async () => {
    await using kit = await createOidcKit({ network: async () => ({ status: 200 }) })
    const browser = kit.browser()
    await tokensFor(kit, browser, 'wiki')
    const form = formOf((await ask(browser)).body)
    for (const { session } of (await kit.store.listSessions({ state: 'live', limit: 5, nowMs: kit.clock.nowMs() })).items) {
      await kit.ctx.engine.endSessions({
        scope: { kind: 'session', sessionId: session.id },
        reason: 'admin',
        by: { kind: 'admin', id: 'root' },
        starter: { kind: 'none' },
        browser: 'absent'
      })
    }
    assert.equal((await browser.post(form.action, { ...form.fields, choice: 'continue' })).statusCode, 400)
    await follow(browser, await signInOn(browser, await follow(browser, await browser.get(authorizationUrl('chat'))), 'ben', 'battery staple'))
    assert.deepEqual(await liveUsers(kit), ['ben'])
    assert.equal((await browser.post(form.action, { ...form.fields, choice: 'continue' })).statusCode, 400)
  })

  test('an answer that was not given on this page counts for nothing', async () => {
    await using kit = await createOidcKit()
    const browser = kit.browser()
    await tokensFor(kit, browser, 'wiki')
    const form = formOf((await ask(browser)).body)
    assert.equal((await browser.post(form.action, { csrfToken: 'made up', choice: 'continue' })).statusCode, 403)
  })
})

suite('What an ID token says of the sign-in', () => {
  test('acr, amr and auth_time', async () => {
    await using kit = await createOidcKit()
    const { claims } = await tokensFor(kit, kit.browser(), 'wiki')
    const authTime = Math.floor(kit.clock.nowMs() / 1000)
    assert.deepEqual([claims['acr'], claims['amr']], ['urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport', ['pwd']])
    assert.ok(Math.abs(Number(claims['auth_time']) - authTime) <= 1)
  })
})
