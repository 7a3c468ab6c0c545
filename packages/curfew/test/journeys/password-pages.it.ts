import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import type { Composition } from '../../src/cli/compose.ts'
import { createServer } from '../../src/cli/embed.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { hashPassword } from '../../src/platform/password.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { makeKeyPair } from '../authority/key-pairs.ts'
import { freeRange } from '../support/ports.ts'
import { findChromium, launch, noChromium } from './chromium.ts'
import { assertForEverybody } from './for-everybody.ts'

const token = 'a token of this test'
const fresh = 'seven wet umbrellas'
const widths = [1_280, 320]

suite('Passwords in a browser', { skip: findChromium() === undefined ? noChromium : false }, () => {
  let browser: Browser
  let server: Composition
  let folder = ''
  let origin = ''
  let adminUrl = ''

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'curfew-passwords-'))
    const own = makeKeyPair('curfew')
    await writeFile(join(folder, 'key.pem'), own.key.export({ type: 'pkcs8', format: 'pem' }))
    await writeFile(join(folder, 'cert.pem'), own.certificatePem)
    await writeFile(join(folder, 'secret'), Buffer.alloc(32, 7).toString('base64'))
    const password = await hashPassword('correct horse', systemRandom)
    const users = ['ana', 'ben', 'cleo', 'dora'].map((username) => ({
      username,
      password,
      ...(username === 'ben' || username === 'dora' ? { mustChangePassword: true } : {})
    }))
    await writeFile(join(folder, 'users.yaml'), JSON.stringify({ users }))
    const port = await freeRange(2)
    origin = `http://127.0.0.1:${port}`
    adminUrl = `http://127.0.0.1:${port + 1}`
    server = await createServer(
      {
        server: { baseUrl: origin, listen: [`127.0.0.1:${port}`] },
        admin: { listen: [`127.0.0.1:${port + 1}`], token },
        store: { kind: 'memory' },
        saml: { keys: [{ key: 'key.pem', certificate: 'cert.pem', algorithm: 'ecdsa-sha256' }] },
        sessions: { secretFile: 'secret', persistent: true },
        signOn: { users: 'users.yaml', thisIsMyDevice: true }
      },
      { folder, logger: silentLogger }
    )
    await server.start()
    browser = await launch()
  })
  after(async () => {
    await browser.close()
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  })

  async function signIn(page: Page, username: string, password: string): Promise<void> {
    await page.goto(`${origin}/`)
    await page.fill('#username', username)
    await page.fill('#password', password)
    await page.check('input[name=device]')
    await page.click('button.primary')
  }

  async function fill(page: Page, values: Readonly<Record<string, string>>): Promise<void> {
    for (const [id, value] of Object.entries(values)) await page.fill(`#${id}`, value)
    await page.click('button.primary')
  }

  async function resetLink(username: string): Promise<string> {
    const answer = await fetch(`${adminUrl}/v1/users/${username}/password-reset`, { method: 'POST', headers: { authorization: `Bearer ${token}` } })
    return ((await answer.json()) as { url: string }).url
  }

  for (const [locale, colorScheme] of [
    ['en', 'light'],
    ['de', 'dark'],
    ['fr', 'light'],
    ['es', 'dark']
  ] as const) {
    test(`every page is for everybody, ${locale}, ${colorScheme}`, async () => {
      const page = await (await browser.newContext({ locale, colorScheme, bypassCSP: true })).newPage()
      await page.goto(`${origin}/`)
      await assertForEverybody(page, 'sign-in that asks for the device', widths)
      await signIn(page, 'dora', 'correct horse')
      await page.locator('#current').waitFor()
      await assertForEverybody(page, 'a demanded change', widths)
      await fill(page, { username: 'dora', current: 'wrong', new: fresh, again: fresh })
      await page.locator('#problem').waitFor()
      await assertForEverybody(page, 'a demanded change with a wrong password', widths)
      await page.goto(`${origin}/ext/pwdreset/Identify`)
      await assertForEverybody(page, 'the field for a code', widths)
      await page.goto(await resetLink('cleo'))
      await assertForEverybody(page, 'the form of a code', widths)
      await fill(page, { new: 'short', again: 'short' })
      await page.locator('#problem').waitFor()
      await assertForEverybody(page, 'the form of a code with a short password', widths)
      assert.equal(await page.getAttribute('html', 'lang'), locale)
      await page.context().close()
    })
  }

  test('without JavaScript: a demanded change, a change that signs out elsewhere, a reset by a typed code', async () => {
    const plain = { javaScriptEnabled: false, locale: 'en' }
    const [here, there] = [await (await browser.newContext(plain)).newPage(), await (await browser.newContext(plain)).newPage()]
    await signIn(here, 'ben', 'correct horse')
    await here.getByText('Before you go on, choose a new password').waitFor()
    assert.equal(await here.inputValue('#username'), 'ben')
    await fill(here, { current: 'correct horse', new: fresh, again: fresh })
    await here.getByText('Signed in as ben').waitFor()
    await signIn(there, 'ben', fresh)
    await there.getByText('Signed in as ben').waitFor()

    await here.goto(`${origin}/signoff/sessions`)
    await here.getByRole('link', { name: 'Change password' }).click()
    assert.equal(await here.isChecked('input[name=endOthers]'), true)
    await fill(here, { current: fresh, new: `${fresh} more`, again: `${fresh} more` })
    await here.getByText('One other session was ended').waitFor()
    await here.getByRole('link', { name: 'Continue' }).click()
    await here.getByText('Signed in as ben').waitFor()
    await there.goto(`${origin}/`)
    assert.equal(await there.locator('#password').count(), 1)

    const code = new URL(await resetLink('ana')).searchParams.get('code') ?? ''
    await there.getByRole('link', { name: 'I have a reset code' }).click()
    await there.fill('#code', code)
    await there.click('button.primary')
    await there.getByText('User name: ana').waitFor()
    await fill(there, { new: fresh.replace('wet', 'dry'), again: fresh.replace('wet', 'dry') })
    await there.getByRole('heading', { name: 'Your password is changed' }).waitFor()
    await signIn(there, 'ana', fresh.replace('wet', 'dry'))
    await there.getByText('Signed in as ana').waitFor()
  })
})
