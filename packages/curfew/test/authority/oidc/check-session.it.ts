import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, suite, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { findChromium, launch, noChromium } from '../../journeys/chromium.ts'
import type { Kit } from '../kit.ts'
import { authorizationHeader, clientOf, createOidcKit, verifier } from './relying-party.ts'
import { freeRange } from '../../support/ports.ts'

const challenge = createHash('sha256').update(verifier).digest('base64url')

suite('check_session_iframe in a browser', { skip: findChromium() === undefined ? noChromium : false }, () => {
  let browser: Browser
  let application: Server
  let kit: Kit
  let issuer = ''
  let own = ''
  /** The same application by another name: for the browser, another site than the authority. */
  let foreign = ''

  before(async () => {
    browser = await launch()
    // Every path is the same page; it holds the frame and shows each answer of it.
    application = createServer((_request, response) => {
      const page = `<!doctype html><title>-</title><iframe src="${issuer}/as/check_session.openid"></iframe><script>addEventListener('message', (e) => { if (e.origin === '${issuer}') document.title = e.data })</script>`
      response.writeHead(200, { 'content-type': 'text/html' }).end(page)
    })
    await new Promise<void>((resolve) => application.listen(0, '127.0.0.1', resolve))
    const { port } = application.address() as AddressInfo
    own = `http://127.0.0.1:${port}`
    foreign = `http://localhost:${port}`
    const authorityPort = await freeRange(1)
    issuer = `http://127.0.0.1:${authorityPort}`
    const wiki = clientOf('wiki', { redirectUris: [`${own}/cb`, `${foreign}/cb`], postLogoutRedirectUris: [`${own}/bye`], logout: { modes: ['none'] } })
    kit = await createOidcKit({ baseUrl: issuer, clients: [wiki] })
    await kit.app.listen({ port: authorityPort, host: '127.0.0.1' })
  })
  after(async () => {
    await browser.close()
    await kit[Symbol.asyncDispose]()
    application.close()
  })

  /** Asks the frame of this page; what it said. */
  async function ask(page: Page, message: string): Promise<string> {
    await page.waitForLoadState('load')
    await page.evaluate('document.title = "-"')
    await page.evaluate(`document.querySelector('iframe').contentWindow.postMessage(${JSON.stringify(message)}, ${JSON.stringify(issuer)})`)
    await page.waitForFunction('document.title !== "-"', undefined, { timeout: 60_000 })
    return page.title()
  }

  async function signedIn(page: Page, application: string): Promise<URLSearchParams> {
    const query = { client_id: 'wiki', response_type: 'code', redirect_uri: `${application}/cb`, scope: 'openid', code_challenge: challenge }
    await page.goto(`${issuer}/as/authorization.oauth2?${new URLSearchParams({ ...query, code_challenge_method: 'S256' }).toString()}`)
    await page.fill('input[name=username]', 'ana')
    await page.fill('input[name=password]', 'correct horse')
    await page.click('button.primary')
    await page.waitForURL((url) => url.href.startsWith(`${application}/cb?`), { timeout: 60_000 })
    return new URL(page.url()).searchParams
  }

  test('oidcc-session-management-rp-initiated-logout: unchanged while the session is there, changed after it ended, error for anything that is no question', async () => {
    const context = await browser.newContext()
    const page = await context.newPage()
    const answer = await signedIn(page, own)
    const question = `wiki ${answer.get('session_state') ?? ''}`
    assert.equal(await ask(page, question), 'unchanged')
    for (const bad of ['wiki', 'wiki not-a-state', '', ` ${answer.get('session_state') ?? ''}`]) assert.equal(await ask(page, bad), 'error', bad)
    assert.equal(await ask(page, question.replace('wiki', 'chat')), 'changed', 'another client')

    // The page that asks stays open: the same frame notices what happens in another tab.
    const tokens = await kit.app.inject({
      method: 'POST',
      url: '/as/token.oauth2',
      headers: { 'content-type': 'application/x-www-form-urlencoded', authorization: authorizationHeader('wiki') },
      payload: new URLSearchParams({
        grant_type: 'authorization_code',
        code: answer.get('code') ?? '',
        redirect_uri: `${own}/cb`,
        code_verifier: verifier
      }).toString()
    })
    const { id_token: hint } = tokens.json<{ id_token: string }>()
    const tab = await context.newPage()
    await tab.goto(`${issuer}/idp/init_logout.openid?${new URLSearchParams({ id_token_hint: hint, post_logout_redirect_uri: `${own}/bye` }).toString()}`)
    assert.equal(await ask(page, question), 'changed')
    await context.close()
  })

  test('error, never changed, where the browser keeps the cookie from a frame in another site', async () => {
    const context = await browser.newContext()
    const page = await context.newPage()
    const state = (await signedIn(page, foreign)).get('session_state') ?? ''
    assert.equal(await ask(page, `wiki ${state}`), 'error')
    await context.close()
  })

  test('a page of anybody else can not hold the frame', async () => {
    const stranger = createServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end(`<!doctype html><title>-</title><iframe src="${issuer}/as/check_session.openid"></iframe>`)
    })
    await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve))
    const page = await browser.newPage()
    const refused = page.waitForEvent('console', { predicate: (message) => message.text().includes('frame-ancestors'), timeout: 60_000 })
    await page.goto(`http://127.0.0.1:${(stranger.address() as AddressInfo).port}/`)
    assert.match((await refused).text(), /frame-ancestors 'none'/)
    await page.close()
    stranger.close()
  })
})
