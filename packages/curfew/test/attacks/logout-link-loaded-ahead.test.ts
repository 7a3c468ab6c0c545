import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Browser } from '../authority/browser.ts'
import { createKit, type Kit, signInTo } from '../authority/kit.ts'
import { createOidcHub, signInAt } from '../authority/oidc-rp/hub.ts'

type Headers = Readonly<Record<string, string>>

const ahead: Readonly<Record<string, Headers>> = {
  'a prefetch of Chromium': { 'sec-purpose': 'prefetch' },
  'a prerender of Chromium': { 'sec-purpose': 'prefetch;prerender' },
  'an anonymous prefetch': { 'sec-purpose': 'prefetch;anonymous-client-ip' },
  'a prefetch of an older browser': { purpose: 'prefetch' },
  'a preview of Safari': { 'x-purpose': 'preview' },
  'a prefetch of Firefox': { 'x-moz': 'prefetch' }
}

async function signedIn(): Promise<{ readonly kit: Kit; readonly browser: Browser; readonly link: string }> {
  const kit = await createKit()
  const browser = kit.browser()
  const { assertion } = await signInTo(kit, browser, 'payroll')
  await signInTo(kit, browser, 'intranet')
  const payroll = kit.partner('payroll')
  assert.ok(assertion)
  const request = payroll.logoutRequest(assertion.subject.nameId, [assertion.authnStatement?.sessionIndex ?? ''])
  return { kit, browser, link: await payroll.logoutRedirect(request) }
}

async function live(kit: Kit): Promise<number> {
  return (await kit.store.listSessions({ state: 'live', limit: 10, nowMs: kit.clock.nowMs() })).items.length
}

suite('a signed logout link that nobody followed', () => {
  for (const [name, headers] of Object.entries(ahead)) {
    test(`${name} ends nothing and uses nothing up: the person who follows it later is signed out`, async () => {
      const { kit: made, browser, link } = await signedIn()
      await using kit = made
      const early = await browser.get(link, headers)
      assert.equal(early.statusCode, 503)
      assert.match(String(early.headers['cache-control']), /no-store/)
      assert.match(String(early.headers['vary']), /Sec-Purpose/)
      assert.deepEqual([await live(kit), (await kit.store.listRuns({ limit: 5 })).items.length], [1, 0])
      assert.equal((await browser.get(link)).statusCode, 303)
      assert.equal(await live(kit), 0)
    })
  }

  test('a scanner of mail that asks for the head only ends nothing and uses nothing up, with and without cookies', async () => {
    const { kit: made, browser, link } = await signedIn()
    await using kit = made
    const { pathname, search } = new URL(link)
    const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    for (const headers of [{}, { cookie }]) {
      const answer = await kit.app.inject({ method: 'HEAD', url: pathname + search, headers })
      assert.ok(answer.statusCode >= 400, String(answer.statusCode))
    }
    assert.deepEqual([await live(kit), (await kit.store.listRuns({ limit: 5 })).items.length], [1, 0])
    assert.equal((await browser.get(link)).statusCode, 303)
    assert.equal(await live(kit), 0)
  })

  test('a hop of a sign-out that is loaded ahead is not taken for the browser', async () => {
    const { kit: made, browser, link } = await signedIn()
    await using kit = made
    const run = String((await browser.get(link)).headers.location)
    const before = JSON.stringify((await kit.store.listRuns({ limit: 1 })).items[0]?.deliveries)
    assert.equal((await browser.get(`${run}/go`, { 'sec-purpose': 'prefetch' })).statusCode, 503)
    assert.equal(JSON.stringify((await kit.store.listRuns({ limit: 1 })).items[0]?.deliveries), before)
  })

  test('a one-time path of a sign-in is not used up', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    const path = String((await browser.get('/')).headers.location)
    assert.equal((await browser.get(path, { 'sec-purpose': 'prefetch;prerender' })).statusCode, 503)
    assert.equal((await browser.get(path)).statusCode, 200)
  })

  test('a front-channel logout from upstream that is loaded ahead ends nothing', async () => {
    const hub = await createOidcHub()
    await using kit = hub.kit
    const browser = kit.browser()
    await signInAt(hub, browser)
    const url = `/sp/social/frontchannel-logout.openid?iss=${encodeURIComponent(hub.upstream.issuer)}&sid=social-sid-1`
    assert.equal((await browser.get(url, { 'sec-purpose': 'prefetch' })).statusCode, 503)
    assert.equal(await live(kit), 1)
  })
})
