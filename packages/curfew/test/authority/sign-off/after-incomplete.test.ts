import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { status, statusUri } from '@curfew/codecs'
import type { Browser } from '../browser.ts'
import { createKit, type Kit, signInTo } from '../kit.ts'

/** A browser that is out at the first of two applications, and the paths of its run. */
async function underway() {
  const kit = await createKit({ redirects: { allow: [{ domain: 'landing.test', requireHttps: false, allowQueryAndFragment: true, uses: ['slo'] }] } })
  const browser = kit.browser()
  await signInTo(kit, browser, 'payroll')
  await signInTo(kit, browser, 'intranet')
  const path = String((await browser.get('/idp/startSLO.ping', { 'sec-fetch-site': 'same-origin' })).headers.location)
  const away = await browser.get(`${path}/go`)
  return { kit, browser, path, away: String(away.headers.location) }
}

/** The partner at an address, and the other one. */
function partnersAt(kit: Kit, url: string) {
  const id = new URL(url).hostname.replace('.test', '')
  return { here: kit.partner(id), there: kit.partner(id === 'payroll' ? 'intranet' : 'payroll') }
}

/** Both applications answer: the first that it refuses, if so. */
async function finished(isRefused: boolean) {
  const { kit, browser, path, away } = await underway()
  const { here, there } = partnersAt(kit, away)
  await browser.get(await here.logoutAnswer(here.readLogoutRequest(away), isRefused ? status.responder(statusUri.requestDenied) : status.success()))
  const next = String((await browser.get(`${path}/go`)).headers.location)
  await browser.get(await there.logoutAnswer(there.readLogoutRequest(next)))
  return { kit, browser, path }
}

async function heading(browser: Browser, url: string): Promise<string> {
  return /<h1>([^<]*)<\/h1>/.exec((await browser.get(url)).body)?.[1] ?? ''
}

suite('The sign-off page after a logout', () => {
  test('that somebody refused: every address that would say "signed out" shows who did not confirm', async () => {
    const { kit, browser, path } = await finished(true)
    await using _kit = kit
    assert.equal(await heading(browser, path), 'Not signed out everywhere')
    for (const url of ['/signoff', '/signoff/done', '/idp/startSLO.ping', '/idp/startSLO.ping?TargetResource=http://landing.test/', '/sso/initslo/'])
      assert.equal((await browser.get(url)).headers.location, path, url)
  })

  test('that everybody confirmed: the browser that comes by later reads that it is signed out', async () => {
    const { kit, browser } = await finished(false)
    await using _kit = kit
    assert.equal((await browser.get('/signoff')).headers.location, '/signoff/done')
    assert.equal(await heading(browser, '/signoff/done'), 'You are signed out')
  })

  test('a browser that nothing is known of does not read that it was signed out', async () => {
    await using kit = await createKit()
    assert.equal(await heading(kit.browser(), '/signoff/done'), 'This browser has no session here')
  })
})

suite('A browser that is back at the sign-off page', () => {
  test('nobody waits for an answer from the application it was sent to: the next one is told at once', async () => {
    const { kit, browser, path, away } = await underway()
    await using _kit = kit
    const page = await browser.get(path)
    assert.match(page.body, new RegExp(`content="0;url=${path}/go"`))
    const { there } = partnersAt(kit, away)
    const next = String((await browser.get(`${path}/go`)).headers.location)
    await browser.get(await there.logoutAnswer(there.readLogoutRequest(next)))
    assert.equal(await heading(browser, path), 'Not signed out everywhere')
  })

  test('the page that sends it away takes it back from an application that does not answer', async () => {
    const kit = await createKit({ partners: { payroll: {}, intranet: { slo: [{ binding: 'post', url: 'http://intranet.test/slo' }] } } })
    await using _kit = kit
    const browser = kit.browser()
    for (const id of ['intranet', 'payroll']) await signInTo(kit, browser, id)
    const path = String((await browser.get('/idp/startSLO.ping', { 'sec-fetch-site': 'same-origin' })).headers.location)
    const comesBack = `setTimeout(() => location.replace("${path}"), 8000)`
    assert.ok((await browser.get(path)).body.includes(comesBack))
    const form = await browser.get(`${path}/go`)
    assert.match(form.body, /action="http:\/\/intranet.test\/slo"/)
    assert.ok(form.body.includes(comesBack))
  })
})
