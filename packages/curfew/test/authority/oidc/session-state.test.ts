import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { suite, test } from 'node:test'
import { decodeJwt } from 'jose'
import type { Browser } from '../browser.ts'
import type { Kit } from '../kit.ts'
import { authorizationUrl, clientOf, createOidcKit, follow, returned, signInOn, tokensFor } from './relying-party.ts'

const cookie = 'PF.STATE'

/** What the client gets back from an authorization; signs in where that is needed. */
async function authorized(browser: Browser, id: string, more: Readonly<Record<string, string>> = {}): Promise<URLSearchParams> {
  const page = await follow(browser, await browser.get(authorizationUrl(id, more)))
  return returned(page.statusCode === 200 ? await follow(browser, await signInOn(browser, page)) : page)
}

/** What the frame finds: the formula of Session Management 1.0 section 3.2 with what is in the browser now. */
function judge(browser: Browser, clientId: string, origin: string, sessionState: string): 'changed' | 'unchanged' | 'error' {
  const [hash = '', salt = ''] = sessionState.split('.')
  const state = browser.cookies.get(cookie)
  if (state === undefined) return 'error'
  return createHash('sha256').update(`${clientId} ${origin} ${state} ${salt}`).digest('base64url') === hash ? 'unchanged' : 'changed'
}

async function endAll(kit: Kit): Promise<void> {
  const { items } = await kit.store.listSessions({ state: 'live', limit: 5, nowMs: kit.clock.nowMs() })
  for (const { session } of items) {
    await kit.ctx.engine.endSessions({
      scope: { kind: 'session', sessionId: session.id },
      reason: 'admin',
      by: { kind: 'admin', id: 'root' },
      starter: { kind: 'none' },
      browser: 'absent'
    })
  }
}

suite('Certification: Session Management 1.0, provider', () => {
  test('oidcc-session-management-discovery-endpoint-verification: check_session_iframe', async () => {
    await using kit = await createOidcKit()
    const { check_session_iframe: frame } = (await kit.app.inject('/.well-known/openid-configuration')).json<{ check_session_iframe: string }>()
    assert.equal(frame, 'http://curfew.test/as/check_session.openid')
    assert.equal((await kit.app.inject('/as/check_session.openid')).statusCode, 200)
  })

  test('session_state in the authorization response: unchanged while the session is there, another salt each time', async () => {
    await using kit = await createOidcKit()
    const browser = kit.browser()
    const first = (await authorized(browser, 'wiki')).get('session_state') ?? assert.fail('no session_state')
    const second = (await authorized(browser, 'wiki', { prompt: 'none' })).get('session_state') ?? assert.fail('no session_state')
    assert.match(first, /^[\w-]{43}\.[\w-]{22}$/)
    assert.notEqual(first, second)
    assert.deepEqual([judge(browser, 'wiki', 'http://wiki.test', first), judge(browser, 'wiki', 'http://wiki.test', second)], ['unchanged', 'unchanged'])
    assert.equal(judge(browser, 'chat', 'http://wiki.test', first), 'changed', 'another client')
    assert.equal(judge(browser, 'wiki', 'http://chat.test', first), 'changed', 'another origin')
  })

  test('oidcc-session-management-rp-initiated-logout: changed afterwards, and changed again by the next sign-in', async () => {
    await using kit = await createOidcKit({ clients: [clientOf('wiki', { logout: { modes: ['none'] } })] })
    const browser = kit.browser()
    const { id_token: hint } = await tokensFor(kit, browser, 'wiki')
    const before = (await authorized(browser, 'wiki')).get('session_state') ?? assert.fail('no session_state')
    await browser.get(`/idp/init_logout.openid?id_token_hint=${hint}`)
    assert.equal(judge(browser, 'wiki', 'http://wiki.test', before), 'changed')
    const after = (await authorized(browser, 'wiki')).get('session_state') ?? assert.fail('no session_state')
    assert.deepEqual([judge(browser, 'wiki', 'http://wiki.test', before), judge(browser, 'wiki', 'http://wiki.test', after)], ['changed', 'unchanged'])
  })
})

suite('Session state', () => {
  test('a session that an administrator ended shows as changed as soon as the frame is loaded again', async () => {
    await using kit = await createOidcKit()
    const browser = kit.browser()
    const state = (await authorized(browser, 'wiki')).get('session_state') ?? assert.fail('no session_state')
    await browser.get('/as/check_session.openid')
    assert.equal(judge(browser, 'wiki', 'http://wiki.test', state), 'unchanged')
    await endAll(kit)
    await browser.get('/as/check_session.openid')
    assert.equal(judge(browser, 'wiki', 'http://wiki.test', state), 'changed')
  })

  test('it is inside a response that is a JWT, too', async () => {
    await using kit = await createOidcKit()
    const response = (await authorized(kit.browser(), 'wiki', { response_mode: 'query.jwt' })).get('response') ?? assert.fail('no response')
    assert.match(String(decodeJwt(response)['session_state']), /^[\w-]{43}\.[\w-]{22}$/)
  })

  test('the cookie opens no session, is readable, and crosses sites only by https', async () => {
    for (const [baseUrl, attributes] of [
      ['http://curfew.test', { sameSite: 'Lax' }],
      ['https://curfew.test', { sameSite: 'None', secure: true }]
    ] as const) {
      await using kit = await createOidcKit({ baseUrl })
      const set = (await kit.browser().get(authorizationUrl('wiki'))).cookies.find(({ name }) => name === cookie)
      assert.deepEqual({ ...set }, { name: cookie, value: 'signed-out', path: '/', ...attributes })
    }
    await using kit = await createOidcKit()
    const browser = kit.browser()
    await authorized(browser, 'wiki')
    const value = browser.cookies.get(cookie) ?? assert.fail()
    for (const name of ['PF', 'PF.STATE']) {
      const answer = await kit.app.inject({ url: authorizationUrl('wiki', { prompt: 'none' }), headers: { cookie: `${name}=${value}` } })
      assert.match(String(answer.headers.location), /error=login_required/)
    }
  })

  test('a browser that never met an OpenID client gets no such cookie', async () => {
    await using kit = await createOidcKit()
    const browser = kit.browser()
    const form = await follow(browser, await browser.get('/'))
    await follow(browser, await signInOn(browser, form))
    assert.deepEqual([browser.cookies.has('PF'), browser.cookies.has(cookie)], [true, false])
  })

  test('only a page of a client may hold the frame, and its policy lets nothing run but its own script', async () => {
    await using kit = await createOidcKit()
    const policyFor = async (referer?: string): Promise<string> =>
      String((await kit.app.inject({ url: '/as/check_session.openid', headers: referer === undefined ? {} : { referer } })).headers['content-security-policy'])
    assert.match(await policyFor('http://wiki.test/page'), /; frame-ancestors http:\/\/wiki\.test$/)
    for (const foreign of [undefined, 'http://evil.test/', 'http://wiki.test.evil.test/', 'http://wiki.test:81/', 'not an address']) {
      assert.match(await policyFor(foreign), /; frame-ancestors 'none'$/, String(foreign))
    }
    const page = await kit.app.inject('/as/check_session.openid')
    const nonce = /<script nonce="([^"]+)">/.exec(page.body)?.[1] ?? assert.fail('no script')
    const policy = `default-src 'none'; script-src 'nonce-${nonce}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`
    assert.deepEqual([page.headers['content-security-policy'], page.headers.vary], [policy, 'Referer'])
  })
})
