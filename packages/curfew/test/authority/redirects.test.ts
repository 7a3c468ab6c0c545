import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type RedirectUse, redirectUses } from '../../src/core/redirect-policy.ts'
import { createKit, type KitOptions, signIn } from './kit.ts'
import { begin, createHub, deliver, hubWithApps } from './saml-sp/hub.ts'

const typed = { 'sec-fetch-site': 'none' }
const anywhere = 'https://anywhere.example/x?y=1#z'

/** For each use, the journey of a real parameter; returns where the browser was sent with it. */
const journeys: Readonly<Record<RedirectUse, (options: KitOptions, address: string) => Promise<string | undefined>>> = {
  async slo(options, address) {
    await using kit = await createKit(options)
    const answer = await kit.browser().get(`/idp/startSLO.ping?TargetResource=${encodeURIComponent(address)}`, typed)
    return String(answer.headers.location)
  },
  async sso(options, address) {
    const hub = await createHub(options)
    await using kit = hub.kit
    const browser = kit.browser()
    const request = await begin(hub, browser, `&TargetResource=${encodeURIComponent(address)}`)
    return String((await deliver(hub, browser, { requestId: request.id })).headers.location)
  },
  async idpDiscovery(options, address) {
    const hub = await createHub(options)
    await using kit = hub.kit
    const browser = kit.browser()
    const chosen = await browser.get(`/sp/cdcstartSSO.ping?TargetResource=${encodeURIComponent(address)}`)
    const path = String(chosen.headers.location)
    const asked = await browser.get(`${path}?identityProvider=campus`)
    const request = hub.upstream.readAuthnRequest(String(asked.headers.location))
    return String((await deliver(hub, browser, { requestId: request.id })).headers.location)
  },
  async errorResource(options, address) {
    const hub = await createHub(options)
    await using kit = hub.kit
    const answer = await kit.browser().get(`/sp/startSSO.ping?PartnerIdpId=nobody&InErrorResource=${encodeURIComponent(address)}`)
    return answer.headers.location === undefined ? undefined : String(answer.headers.location)
  }
}

const all = { sso: true, slo: true, idpDiscovery: true, errorResource: true }

suite('Redirect validation', () => {
  for (const use of redirectUses) {
    test(`AC-158 the switch for ${use} is on unless switched off, and switches nothing else`, async () => {
      for (const [switched, isFollowed] of [
        [{}, false],
        [{ [use]: false }, true],
        [{ ...Object.fromEntries(redirectUses.map((other) => [other, false])), [use]: true }, false]
      ] as const) {
        const location = await journeys[use]({ redirects: { validate: { ...all, ...switched } } }, anywhere)
        if (isFollowed) assert.equal(location, anywhere)
        else assert.notEqual(location, anywhere)
      }
    })

    test(`AC-159 the use flag for ${use} is enforced`, async () => {
      const entry = { domain: 'anywhere.example', requireHttps: true, allowQueryAndFragment: true }
      const others = redirectUses.filter((other) => other !== use)
      assert.equal(await journeys[use]({ redirects: { allow: [{ ...entry, uses: [use] }] } }, anywhere), anywhere)
      assert.notEqual(await journeys[use]({ redirects: { allow: [{ ...entry, uses: others }] } }, anywhere), anywhere)
    })

    test(`AC-160 switched off or not, an address for ${use} that no browser should be sent to is not followed`, async () => {
      const validate = { ...all, [use]: false }
      for (const bad of [
        'javascript:alert(1)',
        '//anywhere.example/',
        'https://a@anywhere.example/',
        'https:\\\\anywhere.example\\',
        'https://any\there.example/'
      ]) {
        const location = await journeys[use]({ redirects: { validate } }, bad)
        assert.doesNotMatch(location ?? '', /anywhere|alert|here\.example/, bad)
      }
    })
  }

  const flags = [
    ['https is required', { requireHttps: true }, 'http://www.example/bye', false],
    ['https is not required', { requireHttps: false }, 'http://www.example/bye', true],
    ['query and fragment are not allowed', { allowQueryAndFragment: false }, 'https://www.example/bye?x=1', false],
    ['a fragment is not allowed', { allowQueryAndFragment: false }, 'https://www.example/bye#x', false],
    ['query and fragment are allowed', { allowQueryAndFragment: true }, 'https://www.example/bye?x=1#x', true],
    ['the path is another', { path: '/out' }, 'https://www.example/bye', false],
    ['the path is a longer word', { path: '/by' }, 'https://www.example/bye', false],
    ['the path is below', { path: '/bye' }, 'https://www.example/bye/now', true],
    ['the domain is another', {}, 'https://www2.example/bye', false],
    ['the domain is below one without a star', {}, 'https://a.www.example/bye', false],
    ['the domain is below one with a star', { domain: '*.example' }, 'https://www.example/bye', true]
  ] as const
  for (const [name, flag, address, isFollowed] of flags) {
    test(`AC-159 ${name}: ${address} is ${isFollowed ? 'followed' : 'ignored'}`, async () => {
      const entry = { domain: 'www.example', requireHttps: true, allowQueryAndFragment: false, ...flag }
      const location = await journeys.slo({ redirects: { allow: [{ ...entry, uses: ['slo'] }] } }, address)
      assert.equal(location, isFollowed ? address : '/signoff/done')
    })
  }

  test('AC-094 a TargetResource that is not on the list is not followed, on either side; the session ends', async () => {
    for (const side of ['idp', 'sp']) {
      await using kit = await createKit()
      const browser = kit.browser()
      await signIn(browser, '/')
      const started = await browser.get(`/${side}/startSLO.ping?TargetResource=${encodeURIComponent(anywhere)}`, typed)
      const run = String(started.headers.location)
      assert.match(run, /^\/signoff\/run_\w+$/)
      assert.doesNotMatch((await browser.get(run)).body, /anywhere\.example/)
      assert.deepEqual(await kit.store.findByUser('local:ana'), [])
      const [stored] = (await kit.store.listRuns({ limit: 1 })).items
      assert.deepEqual(stored?.starter, { kind: 'user', ignored: [{ parameter: 'TargetResource', why: 'no-rule' }] })
    }
  })

  test('AC-095 the default page of the SP side is where its logout lands, and an address that may be asked for by name', async () => {
    const page = 'https://www.example/sp-out?from=curfew'
    const logout = { successUrl: 'https://www.example/idp-out', sp: { successUrl: page } }
    for (const [path, expected] of [
      ['/sp/startSLO.ping', page],
      ['/idp/startSLO.ping', logout.successUrl],
      [`/idp/startSLO.ping?TargetResource=${encodeURIComponent(page)}`, page],
      [`/sp/startSLO.ping?TargetResource=${encodeURIComponent(logout.successUrl)}`, logout.successUrl],
      [`/sp/startSLO.ping?TargetResource=${encodeURIComponent('https://www.example/sp-out')}`, page]
    ] as const) {
      const { hub, browser } = await hubWithApps({ logout }, [])
      await using kit = hub.kit
      await browser.get(path, typed)
      const [run] = (await kit.store.listRuns({ limit: 1 })).items
      assert.equal(run?.starter.kind === 'user' ? run.starter.landingUrl : undefined, expected, path)
    }
  })

  test('the SP side may be set to ask although the IdP side does not', async () => {
    await using kit = await createKit({ logout: { sp: { confirm: true } } })
    const browser = kit.browser()
    await signIn(browser, '/')
    assert.match((await browser.get('/sp/startSLO.ping', typed)).body, /csrfToken/)
    assert.match(String((await browser.get('/idp/startSLO.ping', typed)).headers.location), /run_/)
  })

  test('an unsolicited answer without a page of its own lands on the page of its identity provider', async () => {
    const targetUrl = 'https://portal.example/start'
    const hub = await createHub({}, { profiles: { idpInitiatedSso: true }, targetUrl })
    await using kit = hub.kit
    assert.equal((await deliver(hub, kit.browser(), {})).headers.location, targetUrl)
    assert.equal((await deliver(hub, kit.browser(), { relayState: 'https://evil.example/' })).headers.location, targetUrl)
  })
})
