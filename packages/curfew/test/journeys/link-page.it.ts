import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { after, before, suite, test } from 'node:test'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { createKit, type Kit } from '../authority/kit.ts'
import { createOpenIdProvider, type OpenIdProvider } from '../authority/oidc-rp/open-id-provider.ts'
import { freeRange } from '../support/ports.ts'
import { findChromium, launch, noChromium } from './chromium.ts'
import { assertForEverybody } from './for-everybody.ts'

/** From so many identity providers on the page has a search field. */
const names = ['social', 'campus', 'guests', 'partner', 'library', 'hospital', 'museum']
const widths = [320, 1_280]

suite('The choice of an identity provider, and of the account that belongs to it, for everybody', {
  skip: findChromium() === undefined ? noChromium : false
}, () => {
  let kit: Kit
  let browser: Browser
  let upstreams: readonly OpenIdProvider[]
  let provider: Server
  let origin = ''
  let person = 0

  before(async () => {
    const port = await freeRange(2)
    origin = `http://curfew.localhost:${port}`
    const settings = { username: 'preferred_username', accountLinking: 'offered' } as const
    upstreams = names.map((id) => createOpenIdProvider(id, { ...settings, issuer: `http://${id}.localhost:${port + 1}` }))
    provider = createServer((request, response) => void signIn(request, response)).listen(port + 1, '127.0.0.1')
    kit = await createKit({
      baseUrl: origin,
      partners: {},
      startMs: Temporal.Now.instant().epochMilliseconds,
      upstreams: upstreams.map(({ settings }) => settings),
      network: async (request) => {
        for (const upstream of upstreams) {
          const answer = await upstream.answer(request)
          if (answer !== undefined) return answer
        }
        return assert.fail(`nobody at ${request.url}`)
      }
    })
    await kit.app.listen({ host: '127.0.0.1', port })
    browser = await launch()
  })
  after(async () => {
    await browser.close()
    await kit[Symbol.asyncDispose]()
    provider.closeAllConnections()
    provider.close()
  })

  /** Every provider signs the person of the moment in at once. */
  async function signIn(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = `http://${request.headers.host}${request.url}`
    const upstream = upstreams.find(({ issuer }) => asked.startsWith(`${issuer}/authorize`))
    if (upstream === undefined) return void response.writeHead(404).end()
    const claims = { sub: `u-${person}`, preferred_username: 'ana.with.a.rather.long.name@social.example' }
    response.writeHead(303, { location: await upstream.grant(asked, claims) }).end()
  }

  /** A browser of somebody new. */
  async function visitor(options: BrowserContextOptions): Promise<Page> {
    const context = await browser.newContext({ bypassCSP: true, ...options })
    person += 1
    return context.newPage()
  }

  for (const [locale, colorScheme, title] of [
    ['en', 'light', 'Which account is yours?'],
    ['de', 'dark', 'Welches Konto gehört Ihnen?']
  ] as const) {
    test(`choose, link and take the link back, in ${locale}, ${colorScheme}`, async () => {
      const page = await visitor({ locale, colorScheme })
      await page.goto(`${origin}/`)
      await assertForEverybody(page, `choice-${locale}`, widths)
      await page.fill('input[name=q]', 'hosp')
      await page.keyboard.press('Enter')
      await page.getByRole('link', { name: /Hospital/ }).waitFor()
      await assertForEverybody(page, `search-${locale}`, widths)
      await page.getByRole('link', { name: /Hospital/ }).click()
      await page.getByRole('heading', { name: title }).waitFor()
      await assertForEverybody(page, `link-${locale}`, widths)
      await page.fill('input[name=username]', 'ana')
      await page.fill('input[name=password]', 'wrong')
      await page.keyboard.press('Enter')
      await page.getByRole('alert').waitFor()
      assert.equal(await page.inputValue('input[name=password]'), '')
      await assertForEverybody(page, `link-refused-${locale}`, widths)
      await page.fill('input[name=password]', 'correct horse')
      await page.keyboard.press('Enter')
      await page.waitForURL(`${origin}/`)
      await page.goto(`${origin}/signoff/sessions`)
      await assertForEverybody(page, `sessions-${locale}`, widths)
      await page.locator('button[name=unlink]').first().click()
      await page.getByRole('status').first().waitFor()
      assert.equal(await page.locator('button[name=unlink]').count(), 0)
      await page.context().close()
    })
  }

  test('without JavaScript and with the keyboard alone: every control is reached in order, and its focus can be seen', async () => {
    const page = await visitor({ javaScriptEnabled: true })
    await page.goto(`${origin}/`)
    await page.getByRole('link', { name: /Campus/ }).focus()
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Which account is yours?' }).waitFor()
    await page.getByLabel('User name').focus()
    await page.keyboard.type('ana')
    const reached: string[] = []
    for (let i = 0; i < 3; i++) {
      await page.keyboard.press('Tab')
      reached.push(await page.evaluate(() => document.activeElement?.getAttribute('name') ?? document.activeElement?.textContent ?? ''))
    }
    assert.deepEqual(reached, ['password', 'Link and go on', 'Go on without linking'])
    assert.equal(await page.evaluate(() => getComputedStyle(document.activeElement ?? document.body).outlineStyle), 'solid')
    await page.keyboard.press('Enter')
    await page.waitForURL(`${origin}/`)
    await page.context().close()

    const plain = await visitor({ javaScriptEnabled: false })
    await plain.goto(`${origin}/`)
    await plain.fill('input[name=q]', 'museum')
    await plain.keyboard.press('Enter')
    await plain.getByRole('link', { name: /Museum/ }).click()
    await plain.getByLabel('User name').fill('ana')
    await plain.getByLabel('Password').fill('correct horse')
    await plain.keyboard.press('Enter')
    await plain.waitForURL(`${origin}/`)
    assert.match(await plain.content(), /ana/)
    await plain.context().close()
  })
})
