import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { carryOn, findChromium, noChromium, open, signIn } from './chromium.ts'
import { demoWorld } from './demo-world.ts'
import { freeRange } from '../support/ports.ts'

const port = await freeRange(40)

suite('An application by OpenToken in a real browser', { skip: findChromium() === undefined ? noChromium : false }, () => {
  const world = demoWorld(port)

  async function inBoth(options: Parameters<Browser['newContext']>[0]): Promise<{ context: BrowserContext; page: Page }> {
    const context = await world.browser.newContext(options)
    const page = await context.newPage()
    await signIn(page, world.demo.app('payroll'))
    await open(page, `${world.demo.app('forms')}/`)
    assert.equal(await page.locator('button', { hasText: 'Sign out everywhere' }).count(), 1, 'Forms opens without signing in again')
    return { context, page }
  }

  const lastEvent = async (id: string): Promise<string | undefined> => (await world.demo.journal(id)).at(-1)?.event

  for (const javaScriptEnabled of [true, false]) {
    test(`AC-023 AC-026 a SAML application starts: the browser visits the Logout Service and comes back, ${javaScriptEnabled ? 'with' : 'without'} JavaScript`, async () => {
      const { context, page } = await inBoth({ javaScriptEnabled })
      await open(page, `${world.demo.app('payroll')}/`)
      await page.click('button')
      await page.waitForURL(/signout=/, { timeout: 60_000 })
      assert.match(page.url(), /payroll.*signout=complete/)
      assert.equal(await lastEvent('forms'), 'signed-out')
      await open(page, `${world.demo.app('forms')}/`)
      assert.equal(await page.locator('input[name=password]').count(), 1, 'the next visit asks for the password')
      await context.close()
    })

    test(`AC-027 it starts itself, ${javaScriptEnabled ? 'with' : 'without'} JavaScript: the same visit, and the others end`, async () => {
      const { context, page } = await inBoth({ javaScriptEnabled })
      await page.click('button')
      await carryOn(page)
      await page.getByText('safe to leave').waitFor({ timeout: 60_000 })
      assert.equal(await lastEvent('payroll'), 'signed-out')
      assert.equal(await lastEvent('forms'), 'signed-out')
      await context.close()
    })
  }
})
