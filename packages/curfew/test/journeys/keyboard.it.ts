import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Page } from 'playwright-core'
import { findChromium, noChromium, open, signIn } from './chromium.ts'
import { demoWorld } from './demo-world.ts'
import { freeRange } from '../support/ports.ts'

const port = await freeRange(40)
/** More than any page here has. */
const stopsMax = 30

/** What has the focus now, as a screen reader names it; `body`: nothing on the page. */
function focused(page: Page): Promise<{ readonly name: string; readonly outline: string }> {
  return page.evaluate(() => {
    const element = document.activeElement
    if (element === null || element === document.body) return { name: 'body', outline: '' }
    const label = element instanceof HTMLInputElement ? element.labels?.[0]?.textContent : element.textContent
    return { name: element.getAttribute('aria-label') ?? label?.trim() ?? '', outline: getComputedStyle(element).outlineStyle }
  })
}

/** Goes through the whole page by the Tab key; every place that is reached has a focus that can be seen. */
async function walk(page: Page): Promise<readonly string[]> {
  const names: string[] = []
  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur())
  for (let i = 0; i < stopsMax; i++) {
    await page.keyboard.press('Tab')
    const { name, outline } = await focused(page)
    if (name === 'body') return names
    assert.equal(outline, 'solid', `the focus on "${name}" can be seen`)
    names.push(name.replaceAll(/\w{3} \d+, \d{4}, \d+:\d+:\d+\s[AP]M [\w+:-]+( \(2\))?/g, 'DATE'))
  }
  return names
}

/** Presses Tab until this has the focus. @param skipped - so many of that name are passed by */
async function tabTo(page: Page, name: string | RegExp, skipped = 0): Promise<void> {
  let left = skipped
  for (let i = 0; i < stopsMax; i++) {
    await page.keyboard.press('Tab')
    const found = await focused(page)
    const isIt = typeof name === 'string' ? found.name === name : name.test(found.name)
    if (isIt && left-- === 0) return
  }
  assert.fail(`Tab does not lead to ${String(name)} on ${page.url()}`)
}

suite('The keyboard alone, without JavaScript', { skip: findChromium() === undefined ? noChromium : false, timeout: 240_000 }, () => {
  const world = demoWorld(port)
  const somebody = async (): Promise<Page> => {
    const page = await (await world.browser.newContext({ javaScriptEnabled: false, locale: 'en-US' })).newPage()
    await signIn(page, world.demo.app('payroll'))
    return page
  }

  test('my sessions: the other one is signed out, the Enter key in the password ends nothing by itself', async () => {
    await world.demo.fault('none')
    const [there, page] = [await somebody(), await somebody()]
    await page.goto(`${world.demo.authority}/signoff/sessions`)
    assert.deepEqual(await walk(page), [
      'Skip to content',
      'Enter your password to change sessions.',
      'Sign out this session, started DATE',
      'Sign out this session, started DATE',
      'Sign out all others',
      'Change password',
      'Deutsch',
      'Français',
      'Español'
    ])
    await page.goto(`${world.demo.authority}/signoff/sessions`)
    await tabTo(page, 'Enter your password to change sessions.')
    await page.keyboard.type('ana')
    await page.keyboard.press('Enter')
    await page.waitForTimeout(500)
    assert.equal(await page.locator('button[name=end]:not([value=others])').count(), 2, 'which one was meant nobody has said')
    assert.equal(await page.inputValue('#password'), 'ana', 'the page is the same')
    // The older one stands first.
    await tabTo(page, /^Sign out this session/)
    await page.keyboard.press('Enter')
    await page.getByText('One session was ended').waitFor()
    assert.match(await page.locator('main').ariaSnapshot(), /- status: One session was ended\. The applications are being told\./)
    await there.goto(`${world.demo.authority}/`)
    assert.equal(await there.getByText('Signed in as ana').count(), 0)
    await page.goto(`${world.demo.authority}/`)
    await page.getByText('Signed in as ana').waitFor()
    for (const one of [there, page]) await one.context().close()
    await world.demo.logout('ana')
  })

  test('a result that is not all good: read, tried again, good', async () => {
    await world.demo.fault('partial')
    const page = await somebody()
    await open(page, `${world.demo.app('legacy')}/`)
    await page.goto(`${world.demo.authority}/signoff`)
    await tabTo(page, 'Sign out everywhere')
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Try again: Legacy' }).waitFor({ timeout: 60_000 })
    const main = await page.locator('main').ariaSnapshot()
    assert.match(main, /- heading "Not signed out everywhere" \[level=1\]\n {2}- status: "Not everything is signed out: Legacy did not confirm\./)
    assert.deepEqual(await walk(page), ['Skip to content', 'Try again: Legacy', 'Open Legacy', 'Deutsch', 'Français', 'Español'])
    await world.demo.fault('none')
    await page.reload()
    await tabTo(page, 'Try again: Legacy')
    await page.keyboard.press('Enter')
    await page.getByText('It is safe to leave this computer').waitFor({ timeout: 60_000 })
    await page.context().close()
  })

  test('the first stop of a page leads past its head', async () => {
    const page = await somebody()
    await page.goto(`${world.demo.authority}/signoff/sessions`)
    await tabTo(page, 'Skip to content')
    await page.keyboard.press('Enter')
    await tabTo(page, 'Enter your password to change sessions.')
    await page.context().close()
    await world.demo.logout('ana')
  })
})
