import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { BrowserContext, Page } from 'playwright-core'
import { inside } from '../support/inside.ts'
import { freeRange } from '../support/ports.ts'
import { carryOn, findChromium, noChromium, open, signIn } from './chromium.ts'
import { demoWorld } from './demo-world.ts'

const port = await freeRange(40)
const quoted = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('"', '&quot;')

suite('Who is signed in at an application by SAML, in a real browser', { skip: findChromium() === undefined ? noChromium : false }, () => {
  const world = demoWorld(port)

  async function anaAtPayroll(): Promise<{ context: BrowserContext; page: Page }> {
    const context = await world.browser.newContext()
    const page = await context.newPage()
    await signIn(page, world.demo.app('payroll'))
    await page.getByText('Signed in as ana').waitFor()
    return { context, page }
  }

  /** Zoe opens Payroll by way of Campus, and keeps back the form that the authority makes for her. */
  async function formOfZoe(): Promise<URLSearchParams> {
    const context = await world.browser.newContext()
    const page = await context.newPage()
    const kept = Promise.withResolvers<string>()
    await page.route(
      (url) => url.pathname === '/saml/acs',
      async (route) => {
        kept.resolve(route.request().postData() ?? '')
        await route.abort()
      }
    )
    await open(page, `${world.demo.app('payroll')}/`)
    await open(page, `${page.url().split('?')[0] ?? ''}?identityProvider=campus`)
    await page.fill('input[name=username]', 'zoe')
    await page.fill('input[name=password]', 'zoe')
    await page.click('button.primary', { noWaitAfter: true })
    const form = new URLSearchParams(await kept.promise)
    await context.close()
    return form
  }

  test('a page of another site that posts the sign-in of somebody else signs nobody in as them', async () => {
    const form = await formOfZoe()
    assert.ok(form.has('SAMLResponse'))
    const fields = [...form].map(([name, value]) => `<input type="hidden" name="${name}" value="${quoted(value)}">`).join('')
    await using evil = await inside((_request, response) => {
      response.setHeader('content-type', 'text/html')
      response.end(`<form method="post" action="${world.demo.app('payroll')}/saml/acs">${fields}</form><script>document.forms[0].submit()</script>`)
    })
    const { context, page } = await anaAtPayroll()
    const before = (await world.demo.journal('payroll')).length
    await page.goto(`http://evil.localhost:${evil.port}/`)
    await page.waitForURL(`${world.demo.app('payroll')}/`, { timeout: 60_000 })
    assert.match(await page.getByText('Signed in as').innerText({ timeout: 60_000 }), /as ana/)
    const events = (await world.demo.journal('payroll')).slice(before)
    assert.deepEqual(
      events.map(({ event, detail }) => [event, detail]),
      [
        ['refused', 'CURFEW_SAML_BROWSER_OTHER'],
        ['signed-in', undefined]
      ],
      'the application asked who is there, and that is ana'
    )
    await open(page, `${world.demo.app('payroll')}/`)
    assert.equal(await page.getByText('Signed in as ana').count(), 1)
    await context.close()
  })

  test('a link of the authority opens the application without a password, and RelayState leads to its page', async () => {
    const { context, page } = await anaAtPayroll()
    await context.clearCookies({ name: 'payroll_session' })
    const link = new URL('/idp/startSSO.ping', world.demo.authority)
    link.searchParams.set('PartnerSpId', `${world.demo.app('payroll')}/saml/metadata`)
    link.searchParams.set('TargetResource', '/?from=link')
    await page.goto(link.href)
    await carryOn(page)
    await page.waitForURL(`${world.demo.app('payroll')}/?from=link`, { timeout: 60_000 })
    await page.getByText('Signed in as ana').waitFor({ timeout: 60_000 })
    await context.close()
  })
})
