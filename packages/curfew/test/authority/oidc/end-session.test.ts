import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { SignJWT, UnsecuredJWT } from 'jose'
import { makeTokenKey } from '../../../src/authority/oidc/keys.ts'
import { signLogoutToken } from '../../../src/authority/oidc/logout-token.ts'
import { type Browser, formOf } from '../browser.ts'
import { makeKeyPair } from '../key-pairs.ts'
import { authorityPair, type Kit, type KitOptions } from '../kit.ts'
import { clientOf, createOidcKit, follow, tokensFor } from './relying-party.ts'

const endpoint = '/idp/init_logout.openid'
const answer200 = async () => ({ status: 200 })

async function withHint(options: KitOptions = {}): Promise<{ readonly kit: Kit; readonly browser: Browser; readonly hint: string }> {
  const kit = await createOidcKit({ network: answer200, ...options })
  const browser = kit.browser()
  const { id_token: hint } = await tokensFor(kit, browser, 'wiki')
  return { kit, browser, hint }
}

function url(parameters: Readonly<Record<string, string>>): string {
  return `${endpoint}?${new URLSearchParams(parameters).toString()}`
}

async function live(kit: Kit): Promise<number> {
  return (await kit.store.listSessions({ state: 'live', limit: 10, nowMs: kit.clock.nowMs() })).items.length
}

/** Follows to where the browser ends, giving the back channel time to answer. */
async function finish(kit: Kit, browser: Browser, path: string): Promise<string> {
  let answer = await browser.get(path)
  for (let i = 0; i < 1_000; i++) {
    const location = String(answer.headers.location ?? '')
    if (location !== '' && !location.startsWith('/')) return location
    await new Promise((resolve) => setTimeout(resolve, 1))
    const run = /\/signoff\/run_\w+/.exec(location)?.[0]
    if (run === undefined) return location
    const done = (await kit.store.listRuns({ limit: 1 })).items[0]?.state === 'done'
    if (done) answer = await browser.get(`${run}/finish`)
  }
  return 'nowhere'
}

const bye = 'http://wiki.test/bye'

suite('RP-initiated logout', () => {
  for (const method of ['get', 'post'] as const) {
    test(`AC-148 a valid hint of this session ends it by ${method.toUpperCase()} and leads to the registered address with the state`, async () => {
      const { kit, browser, hint } = await withHint()
      await using _kit = kit
      const parameters = { id_token_hint: hint, post_logout_redirect_uri: bye, state: 'a b&c' }
      const started = method === 'get' ? await browser.get(url(parameters)) : await browser.post(endpoint, parameters)
      assert.equal(await live(kit), 0)
      const end = await finish(kit, browser, String(started.headers.location))
      assert.equal(end, 'http://wiki.test/bye?state=a+b%26c')
    })
  }

  test('an expired hint is as good as any', async () => {
    const { kit, browser, hint } = await withHint()
    await using _kit = kit
    kit.clock.advance(50 * 60_000)
    await browser.get(url({ id_token_hint: hint }))
    assert.equal(await live(kit), 0)
  })

  test('AC-149 AC-147 without a hint, or with one that can not be verified, the person is asked; staying ends nothing, a forged answer neither', async () => {
    const { kit, browser, hint } = await withHint()
    await using _kit = kit
    const foreign = await new SignJWT({ sid: 'x' })
      .setProtectedHeader({ alg: 'ES256' })
      .setIssuer('http://curfew.test')
      .setAudience('wiki')
      .setSubject('s')
      .sign(makeKeyPair('other').key)
    const parts = hint.split('.')
    const hints: Readonly<Record<string, string>> = {
      none: '',
      foreign,
      'alg none': new UnsecuredJWT({ sid: 'x' }).setIssuer('http://curfew.test').setAudience('wiki').setSubject('s').encode(),
      changed: [
        parts[0],
        Buffer.from(
          Buffer.from(parts[1] ?? '', 'base64url')
            .toString()
            .replace('nonce-1', 'nonce-2')
        ).toString('base64url'),
        parts[2]
      ].join('.'),
      garbage: 'not.a.token'
    }
    for (const [name, value] of Object.entries(hints)) {
      const page = await browser.get(url({ ...(value === '' ? {} : { id_token_hint: value }), client_id: 'wiki', post_logout_redirect_uri: bye }))
      assert.equal(page.statusCode, 200, name)
      assert.match(page.body, /Sign out\?/, name)
      assert.equal(await live(kit), 1, name)
    }
    const form = formOf((await browser.get(url({ client_id: 'wiki', post_logout_redirect_uri: bye, state: 's' }))).body)
    assert.equal((await browser.post(endpoint, { ...form.fields, csrfToken: 'forged', choice: 'everywhere' })).statusCode, 403)
    assert.match((await browser.post(endpoint, { ...form.fields, choice: 'stay' })).body, /Nothing was signed out/)
    assert.equal(await live(kit), 1)
    const anew = formOf((await browser.get(url({ client_id: 'wiki', post_logout_redirect_uri: bye, state: 's' }))).body)
    const started = await browser.post(endpoint, { ...anew.fields, choice: 'everywhere' })
    assert.equal(await live(kit), 0)
    assert.equal(await finish(kit, browser, String(started.headers.location)), 'http://wiki.test/bye?state=s')
  })

  test('a logout token, signed by the same keys, is no hint', async () => {
    const { kit, browser } = await withHint()
    await using _kit = kit
    const client = kit.ctx.clients.byId('wiki') ?? assert.fail()
    const session = (await kit.store.listSessions({ limit: 1, nowMs: kit.clock.nowMs() })).items[0]?.session ?? assert.fail()
    const parts = { issuer: 'http://curfew.test', client, subject: 's', sid: kit.ctx.locator.seal('wiki', session.id), jti: 'j', nowMs: kit.clock.nowMs() }
    const token = await signLogoutToken([await makeTokenKey(authorityPair.key, 'test')], parts)
    assert.match((await browser.get(url({ id_token_hint: token }))).body, /Sign out\?/)
    assert.equal(await live(kit), 1)
  })

  test('a client_id that is not the audience of the hint makes both worthless', async () => {
    const { kit, browser, hint } = await withHint()
    await using _kit = kit
    const page = await browser.get(url({ id_token_hint: hint, client_id: 'chat', post_logout_redirect_uri: 'http://chat.test/bye' }))
    assert.match(page.body, /Sign out\?/)
    const form = formOf(page.body)
    const started = await browser.post(endpoint, { ...form.fields, choice: 'everywhere' })
    assert.equal(await finish(kit, browser, String(started.headers.location)).then((end) => end.includes('chat.test')), false)
  })

  test('AC-150 something encrypted is no hint without client_id, and none with it either: only the client can open it', async () => {
    const { kit, browser } = await withHint()
    await using _kit = kit
    const encrypted = 'eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA'
    for (const more of [{}, { client_id: 'wiki' }]) {
      assert.match((await browser.get(url({ id_token_hint: encrypted, ...more }))).body, /Sign out\?/)
    }
    assert.equal(await live(kit), 1)
  })

  const strangers = [
    'http://evil.test/bye',
    'http://wiki.test/bye/',
    'http://wiki.test/bye?x=1',
    'http://wiki.test/other',
    'https://wiki.test/bye',
    'http://wiki.test:8080/bye',
    'http://wiki.test@evil.test/bye',
    'http://wiki.test.evil.test/bye',
    '//wiki.test/bye',
    'javascript:alert(1)',
    'http://wiki.test\\@evil.test/bye',
    'http://chat.test/bye'
  ]
  for (const target of strangers) {
    test(`AC-151 ${target} is not registered: ignored, the logout completes`, async () => {
      const { kit, browser, hint } = await withHint()
      await using _kit = kit
      const started = await browser.get(url({ id_token_hint: hint, post_logout_redirect_uri: target, state: 's' }))
      assert.equal(await live(kit), 0)
      assert.match(String(started.headers.location), /^\/signoff\/run_\w+$/)
      assert.ok(kit.logged.some(({ fields }) => fields['event'] === 'redirect.ignored'))
    })
  }

  test('AC-152 a pattern covers the hosts and paths that it names, and nothing beside them', async () => {
    const client = clientOf('wiki', { postLogoutRedirectUris: ['https://*.wiki.test/bye/*'] })
    const covered = ['https://a.wiki.test/bye/x', 'https://a.wiki.test/bye']
    const not = [
      'https://wiki.test/bye/x',
      'http://a.wiki.test/bye/x',
      'https://a.wiki.test/byebye',
      'https://a.wiki.test/bye/x?q=1',
      'https://evilwiki.test/bye/x',
      'https://a.wiki.test/bye/..%2fx',
      'https://a.wiki.test:444/bye/x'
    ]
    for (const target of [...covered, ...not]) {
      const { kit, browser, hint } = await withHint({ clients: [client] })
      await using _kit = kit
      const started = await browser.get(url({ id_token_hint: hint, post_logout_redirect_uri: target }))
      const end = await finish(kit, browser, String(started.headers.location))
      assert.equal(end.startsWith(target), covered.includes(target), target)
    }
  })

  test('AC-153 without the session cookie the person is asked, and the session of the hint ends after that', async () => {
    const { kit, hint } = await withHint()
    await using _kit = kit
    const other = kit.browser()
    const page = await other.get(url({ id_token_hint: hint, post_logout_redirect_uri: bye }))
    assert.match(page.body, /Sign out\?/)
    assert.equal(await live(kit), 1)
    const form = formOf(page.body)
    assert.equal((await kit.browser().post(endpoint, { ...form.fields, choice: 'everywhere' })).statusCode, 403)
    assert.equal(await live(kit), 1)
    await other.post(endpoint, { ...form.fields, choice: 'everywhere' })
    assert.equal(await live(kit), 0)
  })

  test('the hint of one session does not end another without a question', async () => {
    const { kit, hint } = await withHint()
    await using _kit = kit
    const browser = kit.browser()
    await tokensFor(kit, browser, 'chat')
    const page = await browser.get(url({ id_token_hint: hint }))
    assert.match(page.body, /Sign out\?/)
    assert.equal(await live(kit), 2)
  })

  test('nobody signed in: on to the registered address, or to our page', async () => {
    const { kit, browser, hint } = await withHint()
    await using _kit = kit
    await browser.get(url({ id_token_hint: hint }))
    assert.equal((await browser.get(url({ id_token_hint: hint, post_logout_redirect_uri: bye }))).headers.location, bye)
    assert.equal((await kit.browser().get(endpoint)).headers.location, '/signoff/done')
    assert.equal((await kit.browser().get(url({ state: 'only' }))).headers.location, '/signoff/done')
  })

  test('AC-147 with logout.confirm every logout is asked about, whatever the hint', async () => {
    const { kit, browser, hint } = await withHint({ logout: { confirm: true } })
    await using _kit = kit
    assert.match((await browser.get(url({ id_token_hint: hint }))).body, /Sign out\?/)
    assert.equal(await live(kit), 1)
  })
})

suite('OpenID configuration', () => {
  test('AC-154 is served at both well-known paths without authentication, with policy_id, and names only what answers', async () => {
    await using kit = await createOidcKit()
    const browser = kit.browser()
    for (const path of ['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server', '/.well-known/openid-configuration?policy_id=any']) {
      const answer = await kit.app.inject(path)
      assert.equal(answer.statusCode, 200, path)
      const configuration = answer.json<Readonly<Record<string, unknown>>>()
      assert.equal(configuration['issuer'], 'http://curfew.test')
      assert.equal(configuration['end_session_endpoint'], 'http://curfew.test/idp/init_logout.openid')
      assert.equal(configuration['ping_end_session_endpoint'], 'http://curfew.test/idp/startSLO.ping')
      for (const name of [
        'frontchannel_logout_supported',
        'frontchannel_logout_session_supported',
        'backchannel_logout_supported',
        'backchannel_logout_session_supported'
      ]) {
        assert.equal(configuration[name], true, name)
      }
      for (const [name, value] of Object.entries(configuration)) {
        if (!/endpoint$|jwks_uri/.test(name)) continue
        const there = await browser.get(String(value))
        const posted = await browser.post(String(value), {})
        assert.ok(there.statusCode !== 404 || posted.statusCode !== 404, name)
      }
    }
  })

  test('without clients there is no OpenID provider', async () => {
    await using kit = await createOidcKit({ clients: [] })
    assert.equal((await follow(kit.browser(), await kit.browser().get('/.well-known/openid-configuration'))).statusCode, 404)
  })
})
