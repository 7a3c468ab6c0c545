import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { backChannelLogoutEvent } from '@curfew/codecs'
import { UnsecuredJWT } from 'jose'
import { baseUrl, browserOf, issuer, setting, type Setting, signIn } from './openid-provider.ts'

/*
 * The cases of the OpenID certification plans for logout, on the side of the relying party, written from the
 * specifications. Each name begins with the one that the module has in the plan.
 */

const back = '/oidc/backchannel-logout'
const form = (token: string): string => new URLSearchParams({ logout_token: token }).toString()

async function world() {
  // Registered for one algorithm, as every client of the plans is.
  const made = setting({ algorithms: ['ES256'] })
  const browser = browserOf(made)
  await signIn(made, browser)
  return { made, browser }
}

async function refused(make: (made: Setting) => Promise<string>): Promise<void> {
  const { made, browser } = await world()
  const answer = await browser.post(back, form(await make(made)))
  assert.equal(answer.status, 400)
  assert.match(String(answer.headers['cache-control']), /no-store/)
  assert.ok(await browser.session(), 'the session goes on')
}

suite('Certification: RP-Initiated Logout 1.0, relying party', () => {
  const leave = async () => {
    const { made, browser } = await world()
    const left = await browser.post('/oidc/logout')
    return { made, browser, url: new URL(String(left.headers['location'])) }
  }

  test('oidcc-client-test-rp-init-logout: the hint of this session, the registered address, a fresh state, to the endpoint of the configuration', async () => {
    const { browser, url } = await leave()
    assert.equal(`${url.origin}${url.pathname}`, `${issuer}/end`)
    assert.equal(url.searchParams.get('client_id'), 'wiki')
    assert.equal(url.searchParams.get('post_logout_redirect_uri'), `${baseUrl}/oidc/signed-out`)
    assert.match(url.searchParams.get('id_token_hint') ?? '', /^[\w-]+\.[\w-]+\.[\w-]+$/)
    assert.match(url.searchParams.get('state') ?? '', /^[\w-]{43}$/)
    assert.notEqual((await leave()).url.searchParams.get('state'), url.searchParams.get('state'))
    assert.equal(await browser.session(), undefined)
  })

  test('oidcc-client-test-rp-init-logout: the answer with the state of this browser is the end of its sign-out', async () => {
    const { browser, url } = await leave()
    const answer = await browser.get(`/oidc/signed-out?state=${url.searchParams.get('state') ?? ''}`)
    assert.deepEqual([answer.status, answer.headers['location']], [303, '/?signout=returned'])
    assert.equal((await browser.get(`/oidc/signed-out?state=${url.searchParams.get('state') ?? ''}`)).status, 400, 'only once')
  })

  test('oidcc-client-test-rp-init-logout-other-state: an answer with another state is refused', async () => {
    const { made, browser } = await leave()
    assert.equal((await browser.get('/oidc/signed-out?state=another')).status, 400)
    assert.ok(made.events.some((event) => event.kind === 'refused' && event.code === 'CURFEW_OIDC_STATE'))
  })

  test('oidcc-client-test-rp-init-logout-no-state: an answer without a state is refused', async () => {
    const { browser } = await leave()
    assert.equal((await browser.get('/oidc/signed-out')).status, 400)
  })

  test('an answer with a good state in another browser is refused', async () => {
    const { made, url } = await leave()
    assert.equal((await browserOf(made).get(`/oidc/signed-out?state=${url.searchParams.get('state') ?? ''}`)).status, 400)
  })
})

suite('Certification: Front-Channel Logout 1.0, relying party', () => {
  test('oidcc-client-test-rp-frontchannel-rpinitlogout, -opinitlogout: iss and sid of this session end it, without cookies; the answer is not kept', async () => {
    const { made, browser } = await world()
    const answer = await browserOf(made).get(`/oidc/frontchannel-logout?${new URLSearchParams({ iss: issuer, sid: 's1' }).toString()}`)
    assert.equal(answer.status, 200)
    assert.match(String(answer.headers['cache-control']), /no-store/)
    assert.equal(await browser.session(), undefined)
  })

  for (const [name, query] of [
    ['another issuer', { iss: 'https://other.example', sid: 's1' }],
    ['no issuer', { sid: 's1' }],
    ['no sid', { iss: issuer }],
    ['the sid of another session', { iss: issuer, sid: 's2' }]
  ] as const) {
    test(`${name}: the session goes on`, async () => {
      const { browser } = await world()
      await browser.get(`/oidc/frontchannel-logout?${new URLSearchParams(query).toString()}`)
      assert.ok(await browser.session())
    })
  }
})

suite('Certification: Back-Channel Logout 1.0, relying party', () => {
  for (const [name, claims] of [
    ['sub and sid', {}],
    ['sid only', { sub: undefined }],
    ['sub only', { sid: undefined }]
  ] as const) {
    test(`oidcc-client-test-rp-backchannel-rpinitlogout: a token with ${name} ends the session: 200, not kept`, async () => {
      const { made, browser } = await world()
      const answer = await browserOf(made).post(back, form(await made.logoutToken(claims)))
      assert.equal(answer.status, 200)
      assert.match(String(answer.headers['cache-control']), /no-store/)
      assert.equal(await browser.session(), undefined)
    })
  }

  const seconds = (made: Setting): number => Math.floor(made.clock.nowMs / 1000)
  const cases: Readonly<Record<string, (made: Setting) => Promise<string>>> = {
    'alg-none': async (made) =>
      new UnsecuredJWT({
        iss: issuer,
        aud: 'wiki',
        iat: seconds(made),
        exp: seconds(made) + 60,
        jti: 'j',
        sid: 's1',
        events: { [backChannelLogoutEvent]: {} }
      }).encode(),
    'wrong-alg': (made) => made.logoutToken({}, { alg: 'ES384' }, made.addKey('k384', 'P-384')),
    'wrong-aud': (made) => made.logoutToken({ aud: 'another' }),
    'wrong-iss': (made) => made.logoutToken({ iss: 'https://other.example' }),
    'no-event': (made) => made.logoutToken({ events: undefined }),
    'wrong-event': (made) => made.logoutToken({ events: { 'http://schemas.openid.net/event/other': {} } }),
    'with-nonce': (made) => made.logoutToken({ nonce: 'n' })
  }
  for (const [name, make] of Object.entries(cases)) {
    test(`oidcc-client-test-rp-backchannel-rpinitlogout-${name}: 400, not kept, the session goes on`, () => refused(make))
  }

  const beyond: typeof cases = {
    'no iat': (made) => made.logoutToken({ iat: undefined }),
    'no jti': (made) => made.logoutToken({ jti: undefined }),
    'neither sub nor sid': (made) => made.logoutToken({ sub: undefined, sid: undefined }),
    'no exp (errata set 1)': (made) => made.logoutToken({ exp: undefined }),
    'exp in the past (errata set 1)': (made) => made.logoutToken({ exp: seconds(made) - 100 })
  }
  for (const [name, make] of Object.entries(beyond)) test(`${name}: 400, not kept, the session goes on`, () => refused(make))

  test('no logout token at all: 400', async () => {
    const { browser } = await world()
    assert.equal((await browser.post(back, '')).status, 400)
  })

  test('a session that is not there: 200, nothing is left to do', async () => {
    const { made, browser } = await world()
    assert.equal((await browser.post(back, form(await made.logoutToken({ sid: 'gone' })))).status, 200)
    assert.ok(await browser.session())
  })
})
