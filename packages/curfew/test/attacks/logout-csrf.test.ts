import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Browser } from '../authority/browser.ts'
import type { Kit } from '../authority/kit.ts'
import { createOidcKit, tokensFor } from '../authority/oidc/relying-party.ts'
import { doors } from './logout-doors.ts'

async function signedIn(): Promise<{ readonly kit: Kit; readonly browser: Browser; readonly hint: string }> {
  const kit = await createOidcKit({ network: async () => ({ status: 200 }), adapterLogouts: [{ sourceId: 'form', path: '/logout' }] })
  const browser = kit.browser()
  const { id_token: hint } = await tokensFor(kit, browser, 'wiki')
  return { kit, browser, hint }
}

async function live(kit: Kit): Promise<number> {
  return (await kit.store.listSessions({ state: 'live', limit: 10, nowMs: kit.clock.nowMs() })).items.length
}

type Headers = Readonly<Record<string, string>>

/** What a browser sends along, cookies included where the site of the attacker is below our own. */
const ways: Readonly<Record<string, Headers>> = {
  'a picture of another site': { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'image', 'sec-fetch-mode': 'no-cors' },
  'a picture of the same site': { 'sec-fetch-site': 'same-site', 'sec-fetch-dest': 'image', 'sec-fetch-mode': 'no-cors' },
  'a picture on our own page': { 'sec-fetch-site': 'same-origin', 'sec-fetch-dest': 'image', 'sec-fetch-mode': 'no-cors' },
  'a frame of another site': { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'iframe', 'sec-fetch-mode': 'navigate' },
  'a frame of the same site': { 'sec-fetch-site': 'same-site', 'sec-fetch-dest': 'iframe', 'sec-fetch-mode': 'navigate' },
  'a link of another site': { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'document', 'sec-fetch-mode': 'navigate' },
  'a link of another site, without a word of where it comes from': {},
  'a link of another site, in a browser without Fetch Metadata': { referer: 'https://evil.example/x' },
  'a site whose name only looks like ours': { referer: 'http://curfew.test.evil.example/' },
  'an address before the host that looks like ours': { referer: 'http://curfew.test@evil.example/' },
  'a page without origin': { origin: 'null' },
  'a fetch of the same site': { 'sec-fetch-site': 'same-site', 'sec-fetch-dest': 'empty', 'sec-fetch-mode': 'cors' },
  'a prefetch on our own page': { 'sec-fetch-site': 'same-origin', 'sec-fetch-dest': 'document', 'sec-purpose': 'prefetch' },
  'a prerender of an address that is typed': { 'sec-fetch-site': 'none', 'sec-fetch-dest': 'document', 'sec-purpose': 'prefetch;prerender' },
  'a prefetch of an older browser': { 'sec-fetch-site': 'none', purpose: 'prefetch' },
  'a prefetch of Firefox': { 'sec-fetch-site': 'none', 'x-moz': 'prefetch' }
}

suite('attacks that sign somebody out by a request of a stranger', () => {
  for (const [name, headers] of Object.entries(ways)) {
    for (const path of doors) {
      test(`${name} to ${path} ends nothing`, async () => {
        const { kit: made, browser } = await signedIn()
        await using kit = made
        await browser.get(path, headers)
        assert.equal(await live(kit), 1)
      })
    }
  }

  for (const path of ['/idp/startSLO.ping', '/idp/init_logout.openid', '/signoff', '/sso/initslo/', '/sso/terminatesession', '/ext/logout']) {
    for (const fields of [
      { consentGiven: 'true' },
      { choice: 'everywhere' },
      { choice: 'everywhere', csrfToken: 'x' },
      { consentGiven: 'true', csrfToken: '' }
    ]) {
      test(`a form of another site to ${path} with ${JSON.stringify(fields)} ends nothing`, async () => {
        const { kit: made, browser } = await signedIn()
        await using kit = made
        await browser.post(path, fields, { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'document' })
        assert.equal(await live(kit), 1)
      })
    }
  }

  test('the answer of one browser does not count in another', async () => {
    const { kit: made, browser } = await signedIn()
    await using kit = made
    const attacker = kit.browser()
    await tokensFor(kit, attacker, 'chat')
    const own = /name="csrfToken" value="([^"]+)"/.exec((await attacker.get('/signoff')).body)?.[1] ?? assert.fail('no form')
    for (const path of ['/idp/startSLO.ping', '/idp/init_logout.openid', '/signoff']) {
      await browser.post(path, { csrfToken: own, choice: 'everywhere', consentGiven: 'true' })
      assert.equal(await live(kit), 2, path)
    }
  })

  for (const [name, headers] of Object.entries(ways).filter(([, { purpose, ...all }]) => purpose !== undefined || 'sec-purpose' in all || 'x-moz' in all)) {
    test(`${name} ends nothing even with a good hint: nobody went there`, async () => {
      const { kit: made, browser, hint } = await signedIn()
      await using kit = made
      await browser.get(`/idp/init_logout.openid?id_token_hint=${hint}`, headers)
      assert.equal(await live(kit), 1)
      await browser.get(`/idp/init_logout.openid?id_token_hint=${hint}`)
      assert.equal(await live(kit), 0)
    })
  }

  test('a person who goes there is signed out: what ends nothing above is held back for what it is', async () => {
    for (const headers of [{ 'sec-fetch-site': 'none', 'sec-fetch-dest': 'document' }, { referer: 'http://wiki.test/pages' }]) {
      const { kit: made, browser } = await signedIn()
      await using kit = made
      await browser.get('/idp/startSLO.ping', headers)
      assert.equal(await live(kit), 0)
    }
    for (const path of ['/sso/initslo/', '/sso/terminatesession', '/ext/logout']) {
      const { kit: made, browser } = await signedIn()
      await using kit = made
      await browser.get(path, { 'sec-fetch-site': 'none', 'sec-fetch-dest': 'document' })
      assert.equal(await live(kit), 0, path)
    }
  })
})
