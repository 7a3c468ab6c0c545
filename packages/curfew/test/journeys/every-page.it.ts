import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { makeBrand } from '../../src/authority/pages/brand.ts'
import { languages } from '../../src/authority/pages/messages.ts'
import { statePath } from '../../src/cli/brand-preview/page-file.ts'
import { preview, previewSections } from '../../src/cli/brand-preview/preview.ts'
import { findChromium, launch, noChromium } from './chromium.ts'
import { assertForEverybody } from './for-everybody.ts'

const ids = previewSections.flatMap(({ states }) => states.map(({ id }) => id))
const folder = mkdtempSync(join(tmpdir(), 'curfew-every-page-'))
const urlOf = (path: string): string => pathToFileURL(join(folder, path)).href

const partialTree = `- main:
  - heading "Not signed out everywhere" [level=1]
  - status: "Not everything is signed out: Travel and expense reports of the whole group, Calendar, Archive, Chat, Mail, and Reports did not confirm. Before you leave this computer, open them and sign out there, or close every window of this browser."
  - heading "Applications" [level=2]
  - list:
    - listitem: Payroll Signed out, confirmed 0.4 s
    - listitem: Wiki Was already signed out, confirmed 0.7 s
    - listitem:
      - text: Travel and expense reports of the whole group Did not answer 1.0 s
      - 'button "Try again: Travel and expense reports of the whole group"': Try again
      - link "Open Travel and expense reports of the whole group":
        - /url: https://travel.example/
    - listitem:
      - text: Calendar Could not be reached 1.3 s
      - 'button "Try again: Calendar"': Try again
      - link "Open Calendar":
        - /url: https://calendar.example/
    - listitem:
      - text: "Archive Not possible: it has no sign-out"
      - link "Open Archive":
        - /url: https://archive.example/
    - listitem:
      - text: Chat Refused 1.9 s
      - 'button "Try again: Chat"': Try again
      - link "Open Chat":
        - /url: https://chat.example/
    - listitem:
      - text: Mail Not asked
      - link "Open Mail":
        - /url: https://mail.example/
    - listitem:
      - text: Reports reports.example Asked, cannot confirm 2.5 s
      - 'button "Try again: Reports (reports.example)"': Try again
      - link "Open Reports":
        - /url: https://reports.example/
    - listitem:
      - text: Reports reports.partner.example Asked, cannot confirm 2.8 s
      - 'button "Try again: Reports (reports.partner.example)"': Try again
      - link "Open Reports":
        - /url: https://reports.example/
  - paragraph: Reference run_0a7ExampleExampleExample`

const sessionsTree = `- main:
  - heading "My sessions" [level=1]
  - paragraph: Where you are signed in now.
  - text: Enter your password to change sessions.
  - textbox "Enter your password to change sessions."
  - list:
    - listitem:
      - strong: This browser
      - text: "· Edge, Windows Started DATE Applications: Payroll, Travel and expense reports of the whole group, and Mail, offline access"
      - button "Sign out this session, started DATE": Sign out
    - listitem:
      - text: "Safari, iPhone Started DATE Applications: Calendar"
      - button "Sign out this session, started DATE": Sign out
    - listitem:
      - text: Unknown browser Started DATE No applications
      - button "Sign out this session, started DATE": Sign out
  - button "Sign out all others"
  - list:
    - listitem:
      - link "Change password":
        - /url: /ext/pwdchange/Identify`

suite('Every page in every state, as the preview draws it', { skip: findChromium() === undefined ? noChromium : false, timeout: 300_000 }, () => {
  let browser: Browser

  before(async () => {
    for await (const { path, text } of preview(makeBrand({ organisation: 'Acme' }), languages)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), text)
    }
    browser = await launch()
  })
  after(async () => {
    await browser.close()
    rmSync(folder, { recursive: true })
  })

  const at = async (width: number): Promise<Page> => {
    const page = await (await browser.newContext({ viewport: { width, height: 700 }, bypassCSP: true })).newPage()
    // The policy of a file forbids its scripts, and goes so that axe can look: the page that posts itself is to stay.
    await page.addInitScript(() => {
      HTMLFormElement.prototype.submit = () => undefined
    })
    return page
  }

  for (const language of languages)
    test(`nothing lies outside of a telephone of 320 pixels, ${language}`, async () => {
      const page = await at(320)
      for (const id of ids) {
        await page.goto(urlOf(statePath(id, language, 'light')))
        const [width, cut] = await page.evaluate(() => {
          const isOut = (element: Element): boolean => {
            const { left, right, width: own } = element.getBoundingClientRect()
            return own > 0 && (right > innerWidth + 0.5 || left < -0.5)
          }
          const shown = [...document.querySelectorAll('main *')].filter((element) => element.closest('.frames') === null)
          return [document.documentElement.scrollWidth, shown.filter(isOut).map((element) => element.outerHTML.slice(0, 80))] as const
        })
        assert.deepEqual([width, cut], [320, []], id)
      }
      await page.context().close()
    })

  for (const [language, scheme] of [
    ['en', 'light'],
    ['de', 'dark']
  ] as const)
    test(`no violation of WCAG 2.2 AA, ${language}, ${scheme}`, async () => {
      const page = await at(320)
      for (const id of ids) {
        await page.goto(urlOf(statePath(id, language, scheme)))
        await assertForEverybody(page, `${id}-${language}`, [320])
      }
      await page.context().close()
    })

  test('a file has the style of the page, runs no script and sends nothing', async () => {
    const page = await (await browser.newContext()).newPage()
    const asked: string[] = []
    page.on('request', (request) => asked.push(request.url()))
    const own = urlOf(statePath('post', 'en', 'dark'))
    await page.goto(own)
    await page.waitForTimeout(300)
    assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), 'rgb(20, 23, 27)')
    assert.deepEqual([page.url(), asked.filter((url) => !url.startsWith('data:'))], [own, [own]])
    await page.context().close()
  })

  test('the album shows what it links, each in its scheme', async () => {
    const page = await (await browser.newContext({ viewport: { width: 1_280, height: 900 } })).newPage()
    await page.goto(urlOf('index.html'))
    const [light, dark] = [page.locator('#result-partial iframe').first(), page.locator('#result-partial iframe').last()]
    await light.scrollIntoViewIfNeeded()
    for (const [frame, colour] of [
      [light, 'rgb(244, 244, 241)'],
      [dark, 'rgb(20, 23, 27)']
    ] as const) {
      const body = frame.contentFrame().locator('body')
      await body.getByRole('heading', { name: 'Not signed out everywhere' }).waitFor()
      assert.equal(await body.evaluate((element) => getComputedStyle(element).backgroundColor), colour)
    }
    await page.context().close()
  })

  for (const [id, tree] of [
    ['result-partial', partialTree],
    ['sessions', sessionsTree]
  ] as const)
    test(`what a screen reader is given of ${id}`, async () => {
      const page = await (await browser.newContext({ javaScriptEnabled: false })).newPage()
      await page.goto(urlOf(statePath(id, 'en', 'light')))
      const seen = await page.locator('main').ariaSnapshot()
      // A date is written for the place of the server.
      assert.equal(seen.replaceAll(/Jan \d+, 2026, \d+:\d+:\d+\s[AP]M [\w+:-]+/g, 'DATE'), tree)
      await page.context().close()
    })
})
