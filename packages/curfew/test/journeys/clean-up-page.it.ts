import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, suite, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import type { Delivery, LogoutRun } from '../../src/core/run.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { createKit, type Kit } from '../authority/kit.ts'
import { authorityUrl } from '../authority/partner.ts'
import { authorizationUrl, clientOf } from '../authority/oidc/relying-party.ts'
import { freeRange } from '../support/ports.ts'
import { findChromium, launch, noChromium } from './chromium.ts'

/** A picture of one transparent point. */
const picture = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64')
/** What a busy machine may add to a time that the page keeps. */
const slackMs = 5_000

suite('The sign-off page and its frames', { skip: findChromium() === undefined ? noChromium : false, concurrency: 4 }, () => {
  let browser: Browser
  let applications: Server
  let kit: Kit
  let issuer = ''
  let site = ''

  before(async () => {
    browser = await launch()
    // Front-channel addresses: one shows a page, one a picture, one an error, one never answers.
    applications = createServer((request, response) => {
      if (request.url?.startsWith('/hang') === true) return
      if (request.url?.startsWith('/broken') === true) return void response.writeHead(500, { 'content-type': 'text/html' }).end('<p>no</p>')
      if (request.url?.startsWith('/picture') === true) return void response.writeHead(200, { 'content-type': 'image/gif' }).end(picture)
      response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>application</title>')
    })
    await new Promise<void>((resolve) => applications.listen(0, '127.0.0.1', resolve))
    site = `http://127.0.0.1:${(applications.address() as AddressInfo).port}`
    const port = await freeRange(1)
    issuer = `http://127.0.0.1:${port}`
    const front = (id: string, mode: 'frontChannel' | 'pingFrontChannel', path: string) =>
      clientOf(id, { redirectUris: [`${site}/cb`], logout: { modes: [mode], frontChannelUris: [site + path] } })
    kit = await createKit({
      baseUrl: issuer,
      saml: { entityId: authorityUrl },
      partners: { payroll: { slo: [{ binding: 'redirect', url: 'http://payroll.test/slo' }] } },
      clients: [
        front('wiki', 'frontChannel', '/page'),
        front('chat', 'pingFrontChannel', '/picture'),
        front('mail', 'pingFrontChannel', '/broken'),
        front('shop', 'pingFrontChannel', '/hang')
      ],
      logout: { targets: [{ domain: new URL(site).host, requireHttps: false, allowQueryAndFragment: true }] },
      // The browser lives in real time, and so does this authority.
      clock: { ...systemClock, advance: () => assert.fail('real time') }
    })
    await kit.app.listen({ port, host: '127.0.0.1' })
  })
  after(async () => {
    await browser.close()
    applications.closeAllConnections()
    applications.close()
    await kit[Symbol.asyncDispose]()
  })

  async function signedIn(clients: readonly string[], javaScriptEnabled = true): Promise<Page> {
    const page = await (await browser.newContext({ javaScriptEnabled })).newPage()
    await page.goto(`${issuer}/`)
    await page.fill('input[name=username]', 'ana')
    await page.fill('input[name=password]', 'correct horse')
    await page.click('button.primary')
    for (const id of clients) {
      const redirect = { redirect_uri: `${site}/cb` }
      await page.goto(issuer + authorizationUrl(id, redirect))
      assert.match(page.url(), /\/cb\?.*code=/)
    }
    return page
  }

  /**
   * Starts a sign-out; what the page loaded, how long it stayed, where the browser went after it, and the run as it is
   * then. The page may be gone before anybody can look at it, so all of it is taken from what the browser asks for.
   */
  async function signedOut(page: Page, start: string, gone: RegExp) {
    const seen = { run: '', openedMs: 0, sources: [] as string[], navigations: [] as string[] }
    const left = new Promise<number>((resolve) => {
      page.on('request', (request) => {
        const path = request.url().replace(issuer, '')
        if (path.includes('/frame/')) seen.sources.push(`${request.resourceType()} ${path}`)
        if (!request.isNavigationRequest() || request.frame() !== page.mainFrame()) return
        seen.navigations.push(path)
        if (seen.run !== '' && gone.test(path)) resolve(performance.now() - seen.openedMs)
        else if (seen.run === '' && /^\/signoff\/run_\w+$/.test(path)) Object.assign(seen, { run: path.split('/')[2], openedMs: performance.now() })
      })
    })
    void page.goto(start, { waitUntil: 'commit', referer: `${issuer}/` }).catch(() => undefined)
    const stayedMs = await left
    const run = (await kit.store.getRun(seen.run as LogoutRun['id'])) ?? assert.fail('no run')
    return { run, sources: seen.sources, navigations: seen.navigations, stayedMs }
  }

  const startSlo = (): string => {
    const landing = { TargetResource: `${site}/bye`, InErrorResource: `${site}/oops` }
    return `${issuer}/idp/startSLO.ping?${new URLSearchParams(landing).toString()}`
  }
  const outcomeOf = (run: LogoutRun, peer: string): Delivery['outcome'] => run.deliveries.find(({ peerId }) => peerId === peer)?.outcome
  const refreshOf = async (page: Page): Promise<string> => {
    await page.waitForSelector('meta[http-equiv=refresh][content*="127.0.0.1"]', { state: 'attached' })
    return (await page.getAttribute('meta[http-equiv=refresh]', 'content')) ?? ''
  }
  const result = /^\/signoff\/run_\w+(\/finish)?$/

  test('AC-161 AC-162 a frame by the standard, a picture as in the replaced product; two seconds at least, then the way to the target', async () => {
    const page = await signedIn(['wiki', 'chat'])
    const { run, sources, stayedMs } = await signedOut(page, startSlo(), result)
    const id = (peer: string): string => run.deliveries.find(({ peerId }) => peerId === peer)?.id ?? ''
    assert.deepEqual([...sources].sort(), [`document /signoff/${run.id}/frame/${id('wiki')}`, `image /signoff/${run.id}/frame/${id('chat')}`])
    assert.ok(stayedMs >= 1_950 && stayedMs < 5_000 + slackMs, `${stayedMs} ms`)
    for (const peer of ['wiki', 'chat']) assert.deepEqual(outcomeOf(run, peer), { kind: 'unconfirmed', code: 'CURFEW_RUN_NO_ANSWER_POSSIBLE' })
    assert.ok((await refreshOf(page)).endsWith(`url=${site}/bye`))
    assert.match(await page.locator('main').innerText(), /Chat and Wiki did not confirm|Wiki and Chat did not confirm/)
    await page.context().close()
  })

  test('AC-162 a picture that fails: two seconds at least, then the way to the error page', async () => {
    const page = await signedIn(['chat', 'mail'])
    const { run, stayedMs } = await signedOut(page, startSlo(), result)
    assert.ok(stayedMs >= 1_950 && stayedMs < 5_000 + slackMs, `${stayedMs} ms`)
    assert.deepEqual(outcomeOf(run, 'mail'), { kind: 'unconfirmed', code: 'CURFEW_RUN_PICTURE_FAILED' })
    assert.deepEqual(outcomeOf(run, 'chat'), { kind: 'unconfirmed', code: 'CURFEW_RUN_NO_ANSWER_POSSIBLE' })
    assert.ok((await refreshOf(page)).endsWith(`url=${site}/oops`))
    await page.context().close()
  })

  test('AC-162 a picture that hangs: five seconds at most, then the way to the error page', async () => {
    const page = await signedIn(['wiki', 'shop'])
    const { run, stayedMs } = await signedOut(page, startSlo(), result)
    assert.ok(stayedMs >= 4_000 && stayedMs < 5_000 + slackMs, `${stayedMs} ms`)
    assert.deepEqual(outcomeOf(run, 'shop'), { kind: 'timed-out', code: 'CURFEW_RUN_FRAME_NOT_LOADED', attempts: 1 })
    assert.deepEqual(outcomeOf(run, 'wiki'), { kind: 'unconfirmed', code: 'CURFEW_RUN_NO_ANSWER_POSSIBLE' })
    assert.ok((await refreshOf(page)).endsWith(`url=${site}/oops`))
    await page.context().close()
  })

  test('AC-162 without scripts nobody sees whether a picture failed: all are asked, and the page goes on in time', async () => {
    const page = await signedIn(['chat', 'mail'], false)
    const started = await page.goto(startSlo(), { waitUntil: 'commit', referer: `${issuer}/` })
    const runId = /run_\w+/.exec(started?.url() ?? '')?.[0] ?? assert.fail()
    await page.waitForSelector('meta[http-equiv=refresh][content*="127.0.0.1"]', { state: 'attached', timeout: 5_000 + 2 * slackMs })
    const run = (await kit.store.getRun(runId as LogoutRun['id'])) ?? assert.fail()
    for (const peer of ['chat', 'mail']) assert.deepEqual(outcomeOf(run, peer), { kind: 'unconfirmed', code: 'CURFEW_RUN_NO_ANSWER_POSSIBLE' })
    await page.context().close()
  })

  for (const [client, leastMs] of [
    ['chat', 950],
    ['mail', 950],
    ['shop', 2_000]
  ] as const) {
    test(`AC-163 on the way back to an application, ${client === 'chat' ? 'a picture that loads' : client === 'mail' ? 'one that fails' : 'one that hangs'}: one to three seconds, then the answer`, async () => {
      const page = await signedIn([client])
      const payroll = kit.partner('payroll')
      const here = (url: string): string => url.replace(authorityUrl, issuer)
      // By the cookies of the browser and without it: the page that posts the answer would go on to an application that is not there.
      const signOn = await page.context().request.get(here(await payroll.ssoRedirect({ destination: `${issuer}/idp/SSO.saml2` })))
      assert.match(await signOn.text(), /name="SAMLResponse"/)
      const session = (await kit.store.findByUser('local:ana')).at(-1)
      const participants = await Promise.all(
        (await kit.store.findByUser('local:ana')).map(async ({ id }) => (await kit.store.getParticipants(id)).map((participant) => ({ id, participant })))
      )
      const mine = participants.find(
        (list) => list.some(({ participant }) => participant.peerId === client) && list.some(({ participant }) => participant.peerId === 'payroll')
      )
      const own = mine?.find(({ participant }) => participant.peerId === 'payroll')?.participant ?? assert.fail(`not signed in: ${session?.id ?? ''}`)
      const request = payroll.logoutRequest(own.nameId, [own.sessionIndex], { destination: `${issuer}/idp/SLO.saml2` })
      const { run, stayedMs, navigations } = await signedOut(page, here(await payroll.logoutRedirect(request)), /\/finish$/)
      assert.ok(stayedMs >= leastMs && stayedMs < 3_000 + slackMs, `${stayedMs} ms`)
      const outcome = outcomeOf(run, client)
      if (client === 'shop') assert.deepEqual(outcome, { kind: 'timed-out', code: 'CURFEW_RUN_FRAME_NOT_LOADED', attempts: 1 })
      else assert.deepEqual(outcome, { kind: 'unconfirmed', code: 'CURFEW_RUN_NO_ANSWER_POSSIBLE' })
      const isAnswer = (url: string): boolean => url.startsWith('http://payroll.test/slo?SAMLResponse=')
      if (!navigations.some(isAnswer)) await page.waitForRequest((request) => isAnswer(request.url()))
      await page.context().close()
    })
  }
})
