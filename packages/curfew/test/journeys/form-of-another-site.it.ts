import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Page } from 'playwright-core'
import { createKit, type Kit } from '../authority/kit.ts'
import { freeRange } from '../support/ports.ts'
import { inside } from '../support/inside.ts'
import { findChromium, launch, noChromium } from './chromium.ts'

const port = await freeRange(1)
const authority = `http://localhost:${port}`

async function live(kit: Kit): Promise<number> {
  return (await kit.store.listSessions({ state: 'live', limit: 5, nowMs: kit.clock.nowMs() })).items.length
}

async function signIn(page: Page): Promise<void> {
  await page.goto(`${authority}/`)
  await page.fill('input[name=username]', 'ana')
  await page.fill('input[name=password]', 'correct horse')
  await page.click('button.primary')
  await page.getByText('ana').first().waitFor()
}

suite('A sign-out that a form of another site starts, in a browser that keeps its cookies back', {
  skip: findChromium() === undefined ? noChromium : false
}, () => {
  for (const path of ['/idp/startSLO.ping', '/sp/startSLO.ping'])
    test(`AC-132 a POST to ${path} is asked about, ends the session and lands on TargetResource`, async () => {
      await using stranger = await inside((request, response) => {
        response.setHeader('content-type', 'text/html')
        const form = `<form method="post" action="${authority}${path}"><input name="TargetResource" value="http://127.0.0.1:${stranger.port}/bye"><button>Out</button></form>`
        response.end(`<title>-</title>${request.url === '/bye' ? 'bye' : form}`)
      })
      const targets = [{ domain: `127.0.0.1:${stranger.port}`, requireHttps: false, allowQueryAndFragment: true }]
      await using kit = await createKit({ baseUrl: authority, partners: {}, logout: { targets } })
      await kit.app.listen({ port, host: '127.0.0.1' })
      const browser = await launch()
      try {
        const page = await browser.newPage()
        await signIn(page)
        await page.goto(`http://127.0.0.1:${stranger.port}/`)
        await page.click('button')
        await page.waitForURL(`${authority}${path}?**`)
        assert.match(await page.locator('body').innerText(), /You are signed in as ana/)
        assert.equal(await live(kit), 1)
        await page.locator('button.primary').click()
        await page.waitForURL(`http://127.0.0.1:${stranger.port}/bye`)
        assert.equal(await live(kit), 0)
      } finally {
        await browser.close()
      }
    })
})
