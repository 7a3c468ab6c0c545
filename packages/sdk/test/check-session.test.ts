import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fastify from 'fastify'
import { fastifyGuard, type GuardResponse, relyingPartyPaths } from '../src/index.ts'
import { baseUrl, browserOf, issuer, setting, type Setting, signIn } from './openid-provider.ts'

const frame = 'https://frames.op.example/check'
const page = '/oidc/check-session'
const again = '/oidc/check-session/again'
const script = '/oidc/check-session.js'

async function world(configuration: Readonly<Record<string, string>> = { check_session_iframe: frame }) {
  const made = setting({ sessionCheck: {} }, configuration)
  const browser = browserOf(made)
  await signIn(made, browser, { sessionState: 'state.1' })
  return { made, browser }
}

const policyOf = (answer: GuardResponse): string => String(answer.headers['content-security-policy'])
const verdictOf = (answer: GuardResponse): string | undefined => /<html lang="en" data-session="(\w+)">/.exec(answer.body)?.[1]
const endings = (made: Setting): readonly string[] => made.events.flatMap((event) => (event.kind === 'signed-out' ? [event.by] : []))

/** Asks anew; the answer to what the provider says. */
async function recheck({ browser }: Awaited<ReturnType<typeof world>>, say: (location: string) => string): Promise<GuardResponse> {
  const asked = await browser.get(again)
  assert.equal(asked.status, 303)
  return browser.get(say(String(asked.headers['location'])))
}

const failing =
  (error: string) =>
  (location: string): string =>
    `/oidc/cb?${new URLSearchParams({ error, state: new URL(location).searchParams.get('state') ?? '', iss: issuer }).toString()}`

suite('OpenID Connect Session Management 1.0 section 3: relying party', () => {
  test('its paths are taken where it is configured, and the application has them where it is not', async () => {
    assert.deepEqual(setting({ sessionCheck: {} }).party.paths, relyingPartyPaths)
    const app = fastify()
    fastifyGuard(app, setting().party)
    for (const url of [page, again, script]) app.get(url, async () => 'of the application')
    const answers = await Promise.all([page, again, script].map((url) => app.inject(url)))
    assert.deepEqual(new Set(answers.map(({ body }) => body)), new Set(['of the application']))
    await app.close()
  })

  test('the frame holds that of the provider and one script, under a policy that allows nothing else', async () => {
    const { browser } = await world()
    const answer = await browser.get(page)
    assert.equal(
      policyOf(answer),
      "default-src 'none'; script-src 'self'; frame-src 'self' https://frames.op.example https://op.example; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )
    assert.match(answer.body, /<iframe src="https:\/\/frames\.op\.example\/check"><\/iframe>/)
    assert.match(answer.body, /<script src="\/oidc\/check-session\.js" data-provider="https:\/\/frames\.op\.example\/check" data-client="wiki" /)
    assert.doesNotMatch(answer.body, /<script>|style=|on\w+=/)
    assert.match(String((await browser.get(script)).headers['content-type']), /^text\/javascript/)
    assert.equal(browser.cookies.get('app_session_state'), 'state.1')
  })

  test('no frame without a session, without a session_state, or where the provider has none', async () => {
    const { made } = await world()
    const stranger = browserOf(made)
    assert.doesNotMatch((await stranger.get(page)).body, /iframe|script/)
    await signIn(made, stranger)
    assert.doesNotMatch((await stranger.get(page)).body, /iframe|script/)
    const { browser } = await world({})
    assert.doesNotMatch((await browser.get(page)).body, /iframe|script/)
  })

  test('a session_state that is none sets no cookie', async () => {
    for (const bad of ['two words', 'x'.repeat(513), 'a\u0000b', 'ü']) {
      const { made } = await world()
      const browser = browserOf(made)
      await signIn(made, browser, { sessionState: bad })
      assert.equal(browser.cookies.get('app_session_state'), undefined, bad)
      assert.ok(await browser.session())
    }
  })

  test('an application that did not ask for it keeps its paths and gets no cookie', async () => {
    const made = setting({}, { check_session_iframe: frame })
    const browser = browserOf(made)
    await signIn(made, browser, { sessionState: 'state.1' })
    assert.deepEqual([...browser.cookies.keys()], ['app_session'])
    const request = { method: 'GET', cookie: undefined, origin: undefined, fetchSite: undefined, readBody: async () => new Uint8Array() }
    for (const target of [page, script, again]) assert.equal(await made.party.handle({ ...request, target }), undefined)
  })

  test('asks anew without a page, about the person that is signed in', async () => {
    const { browser } = await world()
    const query = new URL(String((await browser.get(again)).headers['location'])).searchParams
    assert.equal(query.get('prompt'), 'none')
    assert.match(query.get('id_token_hint') ?? '', /^[\w-]+\.[\w-]+\.[\w-]+$/)
    assert.equal(query.get('redirect_uri'), `${baseUrl}/oidc/cb`)
  })

  test('the same session: it goes on, with the new state', async () => {
    const made = await world()
    const before = await made.browser.session()
    const answer = await recheck(made, (location) => made.made.authorize(location, { sessionState: 'state.2' }))
    assert.deepEqual([verdictOf(answer), made.browser.cookies.get('app_session_state'), endings(made.made)], ['kept', 'state.2', []])
    assert.equal((await made.browser.session())?.id, before?.id)
  })

  test('the same person in another session of the provider: so it is here, and the former is over', async () => {
    const made = await world()
    const before = await made.browser.session()
    const answer = await recheck(made, (location) => made.made.authorize(location, { sid: 's2', sessionState: 'state.2' }))
    assert.deepEqual([verdictOf(answer), made.browser.cookies.get('app_session_state'), endings(made.made)], ['kept', 'state.2', ['session-check']])
    const now = await made.browser.session()
    assert.deepEqual([now?.sessionIndex, now?.nameId.value], ['s2', 'ana'])
    assert.notEqual(now?.id, before?.id)
  })

  for (const [name, say] of [
    ['somebody else', (made: Setting) => (location: string) => made.authorize(location, { sub: 'bo', sid: 's3', sessionState: 'state.3' })],
    ['login_required', () => failing('login_required')],
    ['interaction_required', () => failing('interaction_required')],
    ['consent_required', () => failing('consent_required')],
    ['account_selection_required', () => failing('account_selection_required')]
  ] as const) {
    test(`${name}: the session here is over`, async () => {
      const made = await world()
      const answer = await recheck(made, say(made.made))
      assert.deepEqual([verdictOf(answer), await made.browser.session(), endings(made.made)], ['ended', undefined, ['session-check']])
      assert.deepEqual([...made.browser.cookies.keys()], [])
      assert.match(policyOf(answer), /^default-src 'none'; .*frame-ancestors 'self'$/)
    })
  }

  for (const error of ['server_error', 'temporarily_unavailable', 'invalid_request', 'something_else']) {
    test(`${error} says nothing: the session goes on`, async () => {
      const made = await world()
      assert.equal(verdictOf(await recheck(made, failing(error))), undefined)
      assert.ok(await made.browser.session())
      assert.equal(made.browser.cookies.get('app_session_state'), 'state.1')
    })
  }

  test('an answer to a re-check of another browser is refused, and ends nothing', async () => {
    const made = await world()
    const location = String((await made.browser.get(again)).headers['location'])
    const other = browserOf(made.made)
    await signIn(made.made, other, { sid: 's9', sessionState: 'state.9' })
    assert.equal((await other.get(failing('login_required')(location))).status, 400)
    assert.ok(await other.session())
    assert.ok(await made.browser.session())
  })

  test('another site can not start a re-check', async () => {
    const { browser } = await world()
    for (const fetchSite of ['cross-site', 'same-site', 'none']) {
      const answer = await browser.get(again, { fetchSite })
      assert.deepEqual([answer.status, verdictOf(answer)], [200, 'unknown'])
    }
  })

  test('a session that ended meanwhile is over, and stays so', async () => {
    const made = await world()
    const location = String((await made.browser.get(again)).headers['location'])
    await made.browser.post('/oidc/backchannel-logout', new URLSearchParams({ logout_token: await made.made.logoutToken() }).toString())
    const answer = await made.browser.get(made.made.authorize(location, { sessionState: 'state.2' }))
    assert.deepEqual([verdictOf(answer), await made.browser.session()], ['ended', undefined])
    assert.equal(verdictOf(await made.browser.get(again)), 'ended', 'asked again without a session')
  })

  test('somebody who signed in here meanwhile is not what was asked about', async () => {
    const made = await world()
    const location = String((await made.browser.get(again)).headers['location'])
    await signIn(made.made, made.browser, { sub: 'bo', sid: 's4', sessionState: 'state.4' })
    const answer = await made.browser.get(failing('login_required')(location))
    assert.deepEqual([verdictOf(answer), (await made.browser.session())?.nameId.value], ['kept', 'bo'])
    assert.equal(made.browser.cookies.get('app_session_state'), 'state.4')
  })

  test('a sign-out of the application takes the state along', async () => {
    const { browser } = await world()
    await browser.post('/oidc/logout')
    assert.deepEqual([...browser.cookies.keys()], ['app_session_logout'])
  })
})
