import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { decodeJwt } from 'jose'
import type { Browser } from '../browser.ts'
import type { Kit } from '../kit.ts'
import { createOidcHub, type OidcHub } from '../oidc-rp/hub.ts'
import { authorizationUrl, clientOf, codeFor, createOidcKit, exchange, follow, returned, signInOn, tokensFor } from './relying-party.ts'

const password = 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport'
const strong = 'urn:example:strong'

const claims = (acr: object): { readonly claims: string } => ({ claims: JSON.stringify({ id_token: { acr } }) })

async function errorOf(browser: Browser, more: Readonly<Record<string, string>>): Promise<string | null> {
  return returned(await follow(browser, await browser.get(authorizationUrl('wiki', more)))).get('error')
}

/** The address of the provider that the browser is sent to. */
async function sentTo({ kit }: OidcHub, browser: Browser, more: Readonly<Record<string, string>>): Promise<URL> {
  const page = await follow(browser, await browser.get(authorizationUrl('wiki', more)))
  const chosen = /href="([^"]+identityProvider=social)"/.exec(page.body)?.[1] ?? assert.fail(page.body.slice(0, 500))
  const answer = await browser.get(chosen)
  assert.equal(answer.statusCode, 303)
  assert.ok(kit)
  return new URL(String(answer.headers.location))
}

function createHub(options: Parameters<typeof createOidcHub>[0] = {}): Promise<OidcHub> {
  return createOidcHub({ clients: [clientOf('wiki')], ...options })
}

suite('OpenID Core 5.5.1.1: a context that has to be met', () => {
  for (const [name, acr] of [
    ['a single value', { essential: true, value: strong }],
    ['one of several', { essential: true, values: [strong, 'urn:example:stronger'] }]
  ] as const) {
    test(`${name} that nothing here can meet is answered at once, with and without a page, signed in or not`, async () => {
      await using kit = await createOidcKit()
      const browser = kit.browser()
      assert.equal(await errorOf(browser, claims(acr)), 'unmet_authentication_requirements')
      assert.equal(await errorOf(browser, { ...claims(acr), prompt: 'none' }), 'unmet_authentication_requirements')
      await codeFor(kit, browser, 'wiki')
      assert.equal(await errorOf(browser, claims(acr)), 'unmet_authentication_requirements')
      assert.equal(await errorOf(browser, { ...claims(acr), prompt: 'none' }), 'unmet_authentication_requirements')
    })
  }

  test('one that the password meets is met, and said', async () => {
    await using kit = await createOidcKit()
    const tokens = await tokensFor(kit, kit.browser(), 'wiki', claims({ essential: true, values: [strong, password] }))
    assert.equal(tokens.claims['acr'], password)
  })

  test('one that is only wished for is no reason to refuse: the answer says what it is', async () => {
    await using kit = await createOidcKit()
    const browser = kit.browser()
    assert.equal((await tokensFor(kit, browser, 'wiki', { acr_values: strong })).claims['acr'], password)
    assert.equal((await tokensFor(kit, browser, 'wiki', claims({ value: strong }))).claims['acr'], password)
    assert.equal((await tokensFor(kit, browser, 'wiki', { ...claims({ essential: true }), acr_values: strong })).claims['acr'], password)
  })

  test('an identity provider is asked for it, and its word decides', async () => {
    for (const [said, error] of [
      [strong, null],
      ['urn:example:weak', 'unmet_authentication_requirements']
    ] as const) {
      const hub = await createHub()
      await using kit = hub.kit
      const browser = kit.browser()
      const url = await sentTo(hub, browser, claims({ essential: true, value: strong }))
      assert.equal(url.searchParams.get('acr_values'), strong)
      const done = returned(await follow(browser, await browser.get(await hub.upstream.grant(url.href, { acr: said }))))
      assert.equal(done.get('error'), error)
      if (error === null) {
        const tokens = (await exchange(kit, 'wiki', done.get('code') ?? '')).json<{ id_token: string }>()
        assert.equal(decodeJwt(tokens.id_token)['acr'], strong)
      }
    }
  })

  test('a session that does not meet it is not enough where an identity provider may', async () => {
    const hub = await createHub()
    await using kit = hub.kit
    const browser = kit.browser()
    const first = await sentTo(hub, browser, {})
    assert.equal(first.searchParams.get('acr_values'), null)
    returned(await follow(browser, await browser.get(await hub.upstream.grant(first.href, { acr: 'urn:example:weak' }))))
    const again = await sentTo(hub, browser, claims({ essential: true, value: strong }))
    assert.equal(again.searchParams.get('prompt'), 'login')
    const done = returned(await follow(browser, await browser.get(await hub.upstream.grant(again.href, { acr: strong }))))
    assert.ok(done.get('code') !== null, done.toString())
    assert.equal(await errorOf(browser, { ...claims({ essential: true, value: 'urn:example:other' }), prompt: 'none' }), 'login_required')
    // The session is the same one, and says so from now on.
    assert.equal(
      (await kit.store.findByUser(`social:${(await kit.store.listSessions({ limit: 1, nowMs: kit.clock.nowMs() })).items[0]?.session.username}`)).length,
      1
    )
    assert.ok((await codeFor(kit, browser, 'wiki', { ...claims({ essential: true, value: strong }), prompt: 'none' })) !== '')
  })

  test('discovery says what the form here comes to', async () => {
    await using kit = await createOidcKit()
    const metadata = (await kit.app.inject('/.well-known/openid-configuration')).json<Record<string, unknown>>()
    assert.deepEqual([metadata['acr_values_supported'], metadata['ui_locales_supported']], [[password], ['en', 'de', 'fr', 'es']])
  })
})

suite('OpenID Core 3.1.2.1: ui_locales', () => {
  const german = /Anmelden/
  const ask = async (kit: Kit, locales: string, headers = {}) => {
    const browser = kit.browser()
    return { browser, page: await follow(browser, await browser.get(authorizationUrl('wiki', { ui_locales: locales }), headers)) }
  }

  test('the form speaks the first language that it knows, also after a wrong password', async () => {
    await using kit = await createOidcKit()
    const { browser, page } = await ask(kit, 'nl de-AT fr')
    assert.match(page.body, /<html[^>]* lang="de"/)
    assert.match(page.body, german)
    assert.match((await signInOn(browser, page, 'ana', 'wrong')).body, /<html[^>]* lang="de"/)
  })

  test('what is no list of languages changes nothing', async () => {
    await using kit = await createOidcKit()
    for (const locales of ['nl', '"><script>', 'x'.repeat(300), 'de\r\nset-cookie: a=b'])
      assert.match((await ask(kit, locales)).page.body, /<html[^>]* lang="en"/, locales)
  })

  test('the questions in the middle and at the end speak it, too', async () => {
    await using kit = await createOidcKit({ clients: [clientOf('wiki', { consent: 'ask' })] })
    const { browser, page } = await ask(kit, 'de')
    const consent = await follow(browser, await signInOn(browser, page))
    assert.match(consent.body, /<html[^>]* lang="de"/)
    const account = await follow(browser, await browser.get(authorizationUrl('wiki', { ui_locales: 'es', prompt: 'select_account' })))
    assert.match(account.body, /<html[^>]* lang="es"/)
    const end = await browser.get('/idp/init_logout.openid?client_id=wiki&ui_locales=fr')
    assert.match(end.body, /<html[^>]* lang="fr"/)
  })

  test('a sign-out with it goes on in that language', async () => {
    await using kit = await createOidcKit()
    const browser = kit.browser()
    const { id_token: hint } = await tokensFor(kit, browser, 'wiki')
    const ended = await browser.get(`/idp/init_logout.openid?id_token_hint=${hint}&ui_locales=${encodeURIComponent('xx de')}`)
    assert.match(String(ended.headers.location), /^\/signoff\/run_\w+\?lang=de$/)
  })
})

suite('OpenID Core 3.1.2.1: login_hint and id_token_hint', () => {
  test('the login hint stands in the form, and goes on to the identity provider with the languages and the contexts', async () => {
    await using plain = await createOidcKit()
    const visitor = plain.browser()
    assert.match((await follow(visitor, await visitor.get(authorizationUrl('wiki', { login_hint: 'ana' })))).body, /name="username" value="ana"/)
    const hub = await createHub()
    await using kit = hub.kit
    const url = await sentTo(hub, kit.browser(), { login_hint: 'ana@example.org', ui_locales: 'de', acr_values: 'a b' })
    const { login_hint: hint, ui_locales: locales, acr_values: contexts } = Object.fromEntries(url.searchParams)
    assert.deepEqual([hint, locales, contexts], ['ana@example.org', 'de', 'a b'])
  })

  test('nothing is passed on that the client did not say', async () => {
    const hub = await createHub()
    await using kit = hub.kit
    const url = await sentTo(hub, kit.browser(), {})
    assert.deepEqual(
      ['login_hint', 'ui_locales', 'acr_values'].map((name) => url.searchParams.get(name)),
      [null, null, null]
    )
  })

  test('a hint of the user who is signed in goes through without a page, also when it has expired', async () => {
    await using kit = await createOidcKit()
    const browser = kit.browser()
    const { id_token: hint } = await tokensFor(kit, browser, 'wiki')
    assert.ok((await codeFor(kit, browser, 'wiki', { id_token_hint: hint, prompt: 'none' })) !== '')
  })

  test('a hint of somebody else: login_required without a page, and with one when somebody else signs in again', async () => {
    await using kit = await createOidcKit()
    const { id_token: hint } = await tokensFor(kit, kit.browser(), 'wiki')
    const browser = kit.browser()
    const page = await follow(browser, await browser.get(authorizationUrl('wiki')))
    returned(await follow(browser, await signInOn(browser, page, 'ben', 'battery staple')))
    assert.equal(await errorOf(browser, { id_token_hint: hint, prompt: 'none' }), 'login_required')
    const form = await follow(browser, await browser.get(authorizationUrl('wiki', { id_token_hint: hint })))
    assert.match(form.body, /type="password"/)
    assert.equal(returned(await follow(browser, await signInOn(browser, form, 'ben', 'battery staple'))).get('error'), 'login_required')
  })

  test('a hint with nobody here: login_required without a page, a form with one, and the one who is meant gets through', async () => {
    await using kit = await createOidcKit()
    const { id_token: hint } = await tokensFor(kit, kit.browser(), 'wiki')
    const browser = kit.browser()
    assert.equal(await errorOf(browser, { id_token_hint: hint, prompt: 'none' }), 'login_required')
    const form = await follow(browser, await browser.get(authorizationUrl('wiki', { id_token_hint: hint })))
    assert.ok(!form.body.includes('value="ana"'), 'the form does not say who is meant')
    assert.ok(returned(await follow(browser, await signInOn(browser, form))).get('code') !== null)
  })

  test('a hint that is none of ours is refused', async () => {
    await using kit = await createOidcKit()
    const browser = kit.browser()
    assert.equal(await errorOf(browser, { id_token_hint: 'x.y.z' }), 'invalid_request')
  })
})
