import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { suite, test } from 'node:test'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { carryOn, findChromium, noChromium, open, signIn } from './chromium.ts'
import { demoWorld } from './demo-world.ts'
import { freeRange } from '../support/ports.ts'

const port = await freeRange(40)

suite('Sign in once, sign out everywhere', { skip: findChromium() === undefined ? noChromium : false }, () => {
  const world = demoWorld(port)

  async function inAllApplications(options: Parameters<Browser['newContext']>[0]): Promise<{ context: BrowserContext; page: Page }> {
    const context = await world.browser.newContext(options)
    const page = await context.newPage()
    await signIn(page, world.demo.app('payroll'))
    for (const id of ['intranet', 'legacy'] as const) {
      await open(page, `${world.demo.app(id)}/`)
      assert.equal(await page.locator('button', { hasText: 'Sign out everywhere' }).count(), 1, `${id} opens without signing in again`)
    }
    return { context, page }
  }

  const lastEvent = async (id: string): Promise<string | undefined> => (await world.demo.journal(id)).at(-1)?.event

  for (const javaScriptEnabled of [true, false]) {
    test(`from an application, ${javaScriptEnabled ? 'with' : 'without'} JavaScript: everybody ends and the application hears that all did`, async () => {
      await world.demo.fault('none')
      const { context, page } = await inAllApplications({ javaScriptEnabled })
      await open(page, `${world.demo.app('payroll')}/`)
      await page.click('button')
      await page.waitForURL(/signout=/, { timeout: 60_000 })
      assert.match(page.url(), /payroll.*signout=complete/)
      for (const id of ['payroll', 'intranet', 'legacy']) assert.ok(['signed-out', 'logout-finished'].includes((await lastEvent(id)) ?? ''), id)
      await open(page, `${world.demo.app('intranet')}/`)
      assert.equal(await page.locator('input[name=password]').count(), 1, 'the next visit asks for the password')
      await context.close()
    })
  }

  test('of one application only: the page says that it opens again without a password, and it does, at once', async () => {
    await world.demo.fault('none')
    const { context, page } = await inAllApplications({})
    for (const id of ['payroll', 'intranet', 'legacy'] as const) {
      await page.goto(`${world.demo.authority}/signoff`)
      await page.locator(`button[value="only:${id}"]`).click({ noWaitAfter: true })
      await page.getByText('can open it again without a password').waitFor({ timeout: 60_000 })
      assert.equal(await lastEvent(id), 'signed-out', id)
      // In a tab of its own: the page that says so may still be on its way to the result.
      const again = await context.newPage()
      await open(again, `${world.demo.app(id)}/`)
      assert.equal(await again.locator('button', { hasText: 'Sign out everywhere' }).count(), 1, `${id} opens again`)
      assert.equal(await lastEvent(id), 'signed-in', id)
    }
    await context.close()
  })

  test('the page changes while its response is still open, with JavaScript off', async () => {
    await world.demo.fault('slow')
    const { context, page } = await inAllApplications({ javaScriptEnabled: false })
    await page.goto(`${world.demo.authority}/signoff`)
    await page.locator('button.primary').click({ noWaitAfter: true })
    await page.getByText('Working').filter({ visible: true }).first().waitFor({ timeout: 60_000 })
    const early = await page.locator('main').ariaSnapshot()
    assert.match(early, /Working/)
    assert.match(early, /Do not leave this computer yet/)
    await page.getByText('It is safe to leave this computer').waitFor({ timeout: 60_000 })
    assert.doesNotMatch(await page.locator('main').ariaSnapshot(), /Working/)
    await context.close()
  })

  const faults = ['no-response', 'error-500', 'down', 'bad-signature', 'wrong-binding', 'partial'] as const
  for (const fault of faults) {
    test(`legacy ${fault}: the others end, the browser gets to its end within 10 s, the starter hears partial, nothing is flattered`, async () => {
      await world.demo.fault(fault)
      const { context, page } = await inAllApplications({})
      await open(page, `${world.demo.app('payroll')}/`)
      const startedMs = performance.now()
      await page.click('button', { noWaitAfter: true })
      const run = await page.waitForURL(/signoff\/run_/, { timeout: 60_000, waitUntil: 'commit' }).then(() => /run_[0-9A-Za-z]+/.exec(page.url())?.[0] ?? '')
      await page.waitForURL(/signout=/, { timeout: 60_000 })
      assert.ok(performance.now() - startedMs < 10_000)
      assert.match(page.url(), /signout=partial/)
      assert.equal(await lastEvent('intranet'), 'signed-out')
      const legacy = (await world.demo.run(run)).deliveries.find((d) => d.peer === 'legacy')
      assert.ok(
        legacy?.outcome !== 'ended' && legacy?.outcome !== 'already-ended',
        `${fault} is not called signed out (${legacy?.outcome ?? legacy?.state ?? ''})`
      )
      await page.goto(`${world.demo.authority}/signoff/${run}`)
      await page.getByText('Not everything is signed out: Legacy did not confirm').waitFor({ timeout: 60_000 })
      await context.close()
      await world.demo.fault('none')
      await world.demo.logout('ana')
    })
  }

  test('payroll never sends the browser back: the others end, whoever comes back reads that payroll did not confirm', async () => {
    await world.demo.fault('none')
    await world.demo.fault('no-return', 'payroll')
    const { context, page } = await inAllApplications({})
    await page.goto(`${world.demo.authority}/signoff`)
    await page.locator('button.primary').click({ noWaitAfter: true })
    const run = await page.waitForURL(/signoff\/run_/, { timeout: 60_000, waitUntil: 'commit' }).then(() => /run_[0-9A-Za-z]+/.exec(page.url())?.[0] ?? '')
    await page.waitForURL(/\/\/payroll\./, { timeout: 20_000 })
    assert.equal(await page.getByText('You are signed out of Payroll.').count(), 1, 'the browser is left at the application')
    for (const id of ['intranet', 'legacy']) assert.equal(await lastEvent(id), 'signed-out', id)
    await page.goto(`${world.demo.authority}/signoff/${run}`)
    await page.getByText('Not everything is signed out: Payroll did not confirm').waitFor({ timeout: 60_000 })
    const payroll = (await world.demo.run(run)).deliveries.find((d) => d.peer === 'payroll')
    assert.deepEqual([payroll?.outcome, payroll?.code], ['timed-out', 'CURFEW_RUN_BROWSER_NO_ANSWER'])
    await context.close()
    await world.demo.fault('none', 'payroll')
  })

  test('timesheet starts by SAML, payroll keeps the browser: whoever comes back to the sign-out is sent on, and timesheet hears that it is partial', async () => {
    await world.demo.fault('no-return', 'payroll')
    const { context, page } = await inAllApplications({})
    await open(page, `${world.demo.app('timesheet')}/`)
    await page.getByRole('button', { name: 'Sign out everywhere', exact: true }).click({ noWaitAfter: true })
    const run = await page.waitForURL(/signoff\/run_/, { timeout: 60_000, waitUntil: 'commit' }).then(() => /run_[0-9A-Za-z]+/.exec(page.url())?.[0] ?? '')
    await page.waitForURL(/\/\/payroll\./, { timeout: 60_000 })
    assert.equal(await page.getByText('You are signed out of Payroll.').count(), 1, 'the browser is left at the application')
    await page.goto(`${world.demo.authority}/signoff/${run}`, { waitUntil: 'commit' })
    await page.waitForURL(/\/\/timesheet\..*signout=/, { timeout: 60_000 })
    assert.match(page.url(), /signout=partial/)
    const deliveries = (await world.demo.run(run)).deliveries.map(({ peer, outcome }) => `${peer} ${outcome ?? 'open'}`)
    assert.deepEqual(deliveries.toSorted(), ['intranet ended', 'legacy ended', 'payroll timed-out'])
    for (const id of ['intranet', 'legacy']) assert.equal(await lastEvent(id), 'signed-out', id)
    await context.close()
    await world.demo.fault('none', 'payroll')
  })

  test('legacy lies with its own signature: no authority can find that out, and the outcome is what it signed for', async () => {
    await world.demo.fault('wrong-session-index')
    const { context, page } = await inAllApplications({})
    await open(page, `${world.demo.app('payroll')}/`)
    await page.click('button', { noWaitAfter: true })
    const run = await page.waitForURL(/signoff\/run_/, { timeout: 60_000, waitUntil: 'commit' }).then(() => /run_[0-9A-Za-z]+/.exec(page.url())?.[0] ?? '')
    await page.waitForURL(/signout=complete/, { timeout: 60_000 })
    const legacy = (await world.demo.run(run)).deliveries.find((d) => d.peer === 'legacy')
    assert.equal(legacy?.outcome, 'already-ended')
    assert.match(legacy.proof ?? '', /^signed-answer sha256:/)
    assert.equal(await lastEvent('legacy'), 'signed-in', 'its own journal knows better')
    await context.close()
    await world.demo.fault('none')
    await world.demo.logout('ana')
  })

  test('an ending by an administrator is heard by a browser that was not there: it carries on at its next visit', async () => {
    await world.demo.fault('none')
    const { context, page } = await inAllApplications({})
    await world.demo.logout('ana')
    // The servers are through by then: only what the browser owes is left.
    await page.waitForTimeout(1_000)
    await page.goto(`${world.demo.authority}/`)
    await page.waitForURL(/signoff\/run_/, { timeout: 60_000 })
    await page.getByText('It is safe to leave this computer').waitFor({ timeout: 60_000 })
    assert.equal(await lastEvent('payroll'), 'signed-out')
    await context.close()
  })

  test('AC-094 AC-160 a landing address that no rule accepts is not followed, and the logout goes on', async () => {
    const { context, page } = await inAllApplications({})
    await page.goto(`${world.demo.authority}/`)
    const link = `${world.demo.authority}/idp/startSLO.ping?TargetResource=${encodeURIComponent('https://evil.example/')}`
    await page.evaluate((href) => {
      location.href = href
    }, link)
    await page.getByText('It is safe to leave this computer').waitFor({ timeout: 60_000 })
    assert.ok(page.url().startsWith(world.demo.authority))
    for (const id of ['payroll', 'intranet', 'legacy']) assert.equal(await lastEvent(id), 'signed-out')
    await context.close()
  })

  test('a page of another site can not sign anybody out silently', async (t) => {
    const { context, page } = await inAllApplications({})
    const evil = createServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' })
      response.end(`<img src="${world.demo.authority}/idp/startSLO.ping"><iframe src="${world.demo.authority}/idp/startSLO.ping"></iframe><iframe src="${world.demo.authority}/signoff"></iframe>
<iframe name="f"></iframe><form id="a" target="f" method="post" action="${world.demo.authority}/signoff"><input name="choice" value="everywhere"></form>
<form id="b" target="f" method="post" action="${world.demo.authority}/idp/startSLO.ping"></form><form id="c" target="f" method="post" action="${world.demo.app('payroll')}/saml/logout"></form>
<script>for (const id of ['a', 'b', 'c']) document.getElementById(id).submit()</script>`)
    })
    t.after(() => evil.close().closeAllConnections())
    await new Promise<void>((resolve) => evil.listen(0, '127.0.0.1', resolve))
    const address = evil.address()
    await page.goto(`http://evil.localhost:${typeof address === 'object' ? (address?.port ?? 0) : 0}/`)
    await page.waitForTimeout(1_500)
    for (const id of ['payroll', 'intranet', 'legacy'] as const) {
      await open(page, `${world.demo.app(id)}/`)
      assert.equal(await page.locator('button', { hasText: 'Sign out everywhere' }).count(), 1, id)
    }
    await page.goto(`${world.demo.authority}/`)
    await carryOn(page)
    assert.equal(await page.getByText('Signed in as ana').count(), 1)
    await context.close()
  })
})
