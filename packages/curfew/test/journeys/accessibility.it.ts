import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { carryOn, findChromium, noChromium, open, signIn } from './chromium.ts'
import { demoWorld } from './demo-world.ts'
import { assertForEverybody } from './for-everybody.ts'
import { freeRange } from '../support/ports.ts'

const port = await freeRange(40)
const widths = [320]
/** More than any number of wrong passwords that is taken. */
const attemptsMax = 20

suite('Pages for everybody', { skip: findChromium() === undefined ? noChromium : false }, () => {
  const world = demoWorld(port)

  for (const [locale, colorScheme] of [
    ['en', 'light'],
    ['de', 'dark']
  ] as const) {
    test(`every page of a sign-in and a sign-out, ${locale}, ${colorScheme}`, async () => {
      await world.demo.fault('error-500')
      const context = await world.browser.newContext({ locale, colorScheme, bypassCSP: true })
      const page = await context.newPage()
      await page.goto(`${world.demo.app('payroll')}/`)
      await assertForEverybody(page, 'sign-in', widths)
      await page.fill('input[name=username]', 'ana')
      await page.fill('input[name=password]', 'wrong')
      await page.click('button.primary')
      await assertForEverybody(page, 'sign-in after a wrong password', widths)
      await signIn(page, world.demo.app('payroll'))
      await open(page, `${world.demo.app('legacy')}/`)
      for (const path of ['/', '/signoff', '/signoff/sessions', '/ext/pwdchange/Identify', '/ext/pwdreset/Identify?code=old', '/nothing-here']) {
        await page.goto(world.demo.authority + path)
        await assertForEverybody(page, path, widths)
      }
      await world.demo.fault('slow')
      await page.goto(`${world.demo.authority}/signoff`)
      await page.locator('button.primary').click({ noWaitAfter: true })
      await page.locator('[slot=verdict]').first().waitFor({ state: 'attached' })
      await assertForEverybody(page, 'live', widths)
      await page.locator('.verdict.good:visible').waitFor({ timeout: 60_000 })
      await page.waitForLoadState('load')
      await assertForEverybody(page, 'result', widths)
      await page.goto(`${world.demo.authority}/signoff/done`)
      await assertForEverybody(page, 'done', widths)
      await context.close()
    })
  }

  for (const [locale, preferences, question, safe] of [
    ['fr', { forcedColors: 'active' }, 'Vous êtes connecté en tant que ana', 'Vous pouvez quitter cet ordinateur'],
    ['es', { reducedMotion: 'reduce' }, 'Ha iniciado sesión como ana', 'Puede dejar este ordenador']
  ] as const) {
    test(`the pages of a sign-off, ${locale}, ${Object.entries(preferences).flat().join(' ')}`, async () => {
      await world.demo.fault('slow')
      const context = await world.browser.newContext({ locale, bypassCSP: true, ...preferences })
      const page = await context.newPage()
      await signIn(page, world.demo.app('payroll'))
      await open(page, `${world.demo.app('legacy')}/`)
      await page.goto(`${world.demo.authority}/signoff`)
      assert.equal(await page.locator('html').getAttribute('lang'), locale)
      await page.getByText(question).waitFor()
      await assertForEverybody(page, 'ask', widths)
      const button = page.locator('button.primary')
      await button.focus()
      const [outline, border] = await button.evaluate((element) => [getComputedStyle(element).outlineStyle, getComputedStyle(element).borderTopStyle])
      assert.equal(outline, 'solid', 'the focus can be seen')
      assert.equal(border, 'solid', 'a button is one without colours, too')
      await button.click({ noWaitAfter: true })
      await page.locator('[slot=verdict]').first().waitFor({ state: 'attached' })
      await page.locator('.working .mark:visible').first().waitFor()
      const moving = await page.evaluate(() => document.getAnimations().length)
      assert.equal(moving > 0, !('reducedMotion' in preferences), `${moving} things move`)
      await assertForEverybody(page, 'live', widths)
      await page.locator('.verdict.good:visible').waitFor({ timeout: 60_000 })
      await page.waitForLoadState('load')
      await page.getByText(safe).filter({ visible: true }).first().waitFor()
      await assertForEverybody(page, 'result', widths)
      await context.close()
    })
  }

  for (const [locale, only] of [
    ['en', 'Only Payroll'],
    ['fr', 'Seulement Payroll'],
    ['es', 'Solo Payroll']
  ] as const) {
    test(`the pages that come up more seldom, ${locale}`, async () => {
      await world.demo.fault('none')
      const context = await world.browser.newContext({ locale, bypassCSP: true })
      const page = await context.newPage()
      // Nobody of that name: whoever is there shall not be locked for the other tests.
      const form = await page.goto(`${world.demo.authority}/`)
      assert.equal(form?.status(), 200)
      await assertForEverybody(page, `sign-in ${locale}`, widths)
      let status = 0
      for (let i = 0; i < attemptsMax && status !== 429; i++) {
        await page.fill('input[name=username]', `nobody-${locale}`)
        await page.fill('input[name=password]', 'wrong')
        const answer = page.waitForResponse((response) => response.request().method() === 'POST')
        await page.click('button.primary')
        status = (await answer).status()
        await page.waitForLoadState('load')
      }
      assert.equal(status, 429)
      await assertForEverybody(page, `too many attempts ${locale}`, widths)
      await signIn(page, world.demo.app('payroll'))
      await open(page, `${world.demo.app('intranet')}/`)
      await page.goto(`${world.demo.authority}/signoff/sessions`)
      await assertForEverybody(page, `my sessions ${locale}`, widths)
      await page.goto(`${world.demo.authority}/signoff`)
      await page.getByRole('button', { name: only }).click({ noWaitAfter: true })
      await page.waitForURL(/signoff\/run_/)
      await page.locator('.verdict:visible').first().waitFor({ timeout: 60_000 })
      await page.waitForLoadState('load')
      await assertForEverybody(page, `only payroll ${locale}`, widths)
      // A page of another site asks: the person is asked back.
      await page.goto('about:blank')
      await page.setContent(`<form method="post" action="${world.demo.authority}/idp/startSLO.ping"><button>go</button></form>`)
      await page.click('button')
      await page.waitForURL(/startSLO|signoff/)
      await assertForEverybody(page, `asked by another site ${locale}`, widths)
      await page.goto(`${world.demo.authority}/idp/SSO.saml2?SAMLRequest=nothing`)
      await assertForEverybody(page, `error ${locale}`, widths)
      await page.goto(`${world.demo.authority}/signoff/done`)
      await assertForEverybody(page, `done ${locale}`, widths)
      await context.close()
    })
  }

  test('the result that is not all good', async () => {
    await world.demo.fault('partial')
    const page = await (await world.browser.newContext({ bypassCSP: true })).newPage()
    await signIn(page, world.demo.app('payroll'))
    await open(page, `${world.demo.app('legacy')}/`)
    await page.goto(`${world.demo.authority}/signoff`)
    await page.click('button.primary')
    // The page that shows the work says it first, and goes on by itself to the one with the buttons.
    await page.getByRole('button', { name: 'Try again: Legacy' }).waitFor({ timeout: 60_000 })
    await page.locator('.verdict.bad:visible').waitFor()
    await assertForEverybody(page, 'partial result', widths)
    assert.equal(await page.getByRole('button', { name: 'Try again: Legacy' }).count(), 1)
    await world.demo.fault('none')
    await page.getByRole('button', { name: 'Try again: Legacy' }).click()
    await page.getByText('It is safe to leave this computer').waitFor({ timeout: 60_000 })
    await page.context().close()
  })

  test('the keyboard alone signs in and out', async () => {
    await world.demo.fault('none')
    const page = await (await world.browser.newContext()).newPage()
    await page.goto(`${world.demo.app('payroll')}/`)
    await page.locator('input[name=username]').focus()
    await page.keyboard.type('ana')
    await page.keyboard.press('Tab')
    await page.keyboard.type('ana')
    await page.keyboard.press('Enter')
    await carryOn(page)
    await page.waitForURL(/payroll/)
    await page.goto(`${world.demo.authority}/signoff`)
    for (let i = 0; i < 12; i++) {
      await page.keyboard.press('Tab')
      if (await page.evaluate(() => document.activeElement?.classList.contains('primary') === true)) break
    }
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement ?? document.body).outlineStyle)
    assert.equal(outline, 'solid', 'the focus can be seen')
    await page.keyboard.press('Enter')
    await page.getByText('It is safe to leave this computer').waitFor({ timeout: 60_000 })
    await page.context().close()
  })

  test('pages load nothing from elsewhere, and break no policy of their own', async () => {
    const page = await (await world.browser.newContext()).newPage()
    const foreign: string[] = []
    const complaints: string[] = []
    page.on('request', (request) => /^(http:\/\/(curfew|payroll|intranet|legacy)\.localhost|data:)/.test(request.url()) || foreign.push(request.url()))
    page.on('console', (message) => /Content Security Policy/i.test(message.text()) && complaints.push(message.text()))
    await signIn(page, world.demo.app('payroll'))
    await page.goto(`${world.demo.authority}/`)
    await page.goto(`${world.demo.authority}/signoff`)
    await page.click('button.primary')
    await page.getByText('It is safe to leave this computer').waitFor({ timeout: 60_000 })
    assert.deepEqual({ foreign, complaints }, { foreign: [], complaints: [] })
    await page.context().close()
  })

  // The last one: ana has another password afterwards.
  test('a new password: refused, then taken, by the keyboard', async () => {
    const context = await world.browser.newContext({ bypassCSP: true })
    const page = await context.newPage()
    await signIn(page, world.demo.app('payroll'))
    await page.goto(`${world.demo.authority}/signoff/sessions`)
    await page.getByRole('link', { name: 'Change password' }).click()
    await page.getByLabel('Present password').fill('ana')
    await page.getByLabel('New password', { exact: true }).fill('too short')
    await page.getByLabel('New password again').fill('too short')
    await page.keyboard.press('Enter')
    await page.getByRole('alert').waitFor()
    await assertForEverybody(page, 'a refused password', widths)
    assert.equal(await page.getByLabel('Present password').inputValue(), '')
    for (const [label, text] of [
      ['Present password', 'ana'],
      ['New password', 'seven wet umbrellas'],
      ['New password again', 'seven wet umbrellas']
    ] as const)
      await page.getByLabel(label, { exact: true }).fill(text)
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Your password is changed' }).waitFor()
    await assertForEverybody(page, 'a changed password', widths)
    await page.getByRole('link', { name: 'Continue' }).click()
    await page.getByText('Signed in as ana').waitFor()
    await context.close()
  })
})
