import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { createKit, type Kit } from '../authority/kit.ts'
import { findChromium, launch, noChromium } from '../journeys/chromium.ts'
import { freeRange } from '../support/ports.ts'
import { inside } from '../support/inside.ts'

const port = await freeRange(1)
const authority = `http://localhost:${port}`
const pages = ['/', '/signoff', '/ext/pwdchange'] as const

/** A person signs in, looks at pages of its own, signs out, and leaves the computer to the next one. */
async function signOutAfter(page: Page): Promise<void> {
  await page.goto(`${authority}/`)
  await page.fill('input[name=username]', 'ana')
  await page.fill('input[name=password]', 'correct horse')
  await page.click('button.primary')
  await page.getByText('ana').first().waitFor()
  for (const path of pages) await page.goto(authority + path)
  await page.goto(`${authority}/signoff`)
  await page.locator('button.primary').click()
  await page.waitForURL(/signoff\/(run_\w+|done)/)
}

suite('Back button after a sign-out', { skip: findChromium() === undefined ? noChromium : false }, () => {
  let kit: Kit
  before(async () => {
    kit = await createKit({ baseUrl: authority, partners: {} })
    await kit.app.listen({ port, host: '127.0.0.1' })
  })
  after(() => kit[Symbol.asyncDispose]())

  for (const [name, options] of [
    ['pages that were left are kept whole (bfcache)', { keepsPages: true }],
    ['pages that were left come from the cache', {}]
  ] as const)
    test(`where ${name}, going back shows nothing of the person who left`, async () => {
      const browser: Browser = await launch([], options)
      try {
        const page = await browser.newPage()
        await signOutAfter(page)
        for (let steps = 0; steps < 8; steps++) {
          await page.goBack({ waitUntil: 'load' }).catch(() => null)
          const seen = await page.locator('body').innerText()
          assert.doesNotMatch(seen, /\bana\b/, `${page.url()} after ${steps + 1} steps back`)
          if (page.url() === 'about:blank') break
        }
      } finally {
        await browser.close()
      }
    })

  test('the same browser does show a page again that may be kept: what is not shown above is held back for what it is', async () => {
    await using server = await inside(
      (request, response) => void response.setHeader('content-type', 'text/html').end(`<title>-</title>secret of ${request.url}`)
    )
    const browser = await launch([], { keepsPages: true })
    try {
      const page = await browser.newPage()
      await page.goto(`http://127.0.0.1:${server.port}/a`)
      await page.goto(`http://127.0.0.1:${server.port}/b`)
      const asked = server.asked.filter((path) => path === '/a').length
      await page.goBack()
      assert.match(await page.locator('body').innerText(), /secret of \/a/)
      assert.equal(server.asked.filter((path) => path === '/a').length, asked, 'the page was not asked for again')
    } finally {
      await browser.close()
    }
  })
})
