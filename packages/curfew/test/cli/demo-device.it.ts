import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { PlainBrowser } from '../../src/cli/plain-browser.ts'
import { freeRange } from '../support/ports.ts'
import { curfew, startCurfew, stopped, untilPrinted } from './bin.ts'

const folder = mkdtempSync(join(tmpdir(), 'curfew-device-'))
const port = await freeRange(40)
const payroll = `http://payroll.localhost:${port + 10}/`
const device = `http://device.localhost:${port + 17}`

suite('the device of the demo', { timeout: 180_000 }, () => {
  let demo: ChildProcess

  before(async () => {
    demo = startCurfew(folder, ['demo', '--port', String(port)])
    await untilPrinted(demo, 'Ctrl+C')
  })
  after(async () => {
    await stopped(demo)
    rmSync(folder, { recursive: true, force: true })
  })

  /** `ana` is signed in at payroll, and the device may keep access. */
  async function connected(): Promise<PlainBrowser> {
    const browser = new PlainBrowser()
    await browser.submit(await browser.open(payroll), { username: 'ana', password: 'ana' })
    const page = await browser.submit(await browser.open(`${device}/connect`), { choice: 'allow' })
    assert.match(page.body, /Connected as/)
    return browser
  }

  const used = async (browser: PlainBrowser): Promise<string> => (await browser.submit(await browser.open(`${device}/`), {})).body

  test('a logout says that it keeps access, and it does', async () => {
    const browser = await connected()
    const { out } = await curfew(folder, ['logout', '--user', 'ana', '--watch'])
    assert.match(out, /device \(offline grant\) +its offline grant goes on +keeps access/)
    assert.match(out, /partial {2}.*1 keeps access/)
    assert.match(await used(browser), /Connected as/)
    await browser.close()
  })

  test('it is listed in the session, and a logout that says so ends its access', async () => {
    const browser = await connected()
    const list = JSON.parse((await curfew(folder, ['sessions', 'list', '--json'])).out) as { readonly id: string }[]
    assert.match((await curfew(folder, ['sessions', 'show', list[0]?.id ?? ''])).out, /device \(offline grant\)/)
    const { out } = await curfew(folder, ['logout', '--user', 'ana', '--end-offline', '--watch'])
    assert.match(out, /<-- device \(offline grant\) +offline grant dropped .*access ended/)
    assert.match((await browser.submit(await browser.open(`${device}/`), {})).body, /Access ended: invalid_grant/)
    await browser.close()
  })

  test('`sessions revoke --end-offline` ends one session, and its access with it', async () => {
    const browser = await connected()
    const list = JSON.parse((await curfew(folder, ['sessions', 'list', '--json'])).out) as { readonly id: string }[]
    const { out, code } = await curfew(folder, ['sessions', 'revoke', list[0]?.id ?? '', '--end-offline', '--yes'])
    assert.equal(code, 0)
    assert.match(out, /The session has ended\. .*run_\w+/)
    let page = await used(browser)
    while (!page.includes('Access ended: invalid_grant')) page = await used(browser)
    await browser.close()
  })

  test('the sign-off page says who keeps access, and ends it there', async () => {
    const browser = await connected()
    const page = await browser.submit(await browser.open(`http://curfew.localhost:${port}/signoff`), { choice: 'everywhere' })
    assert.match(page.body, /Device keeps access to your account after this sign-out/)
    const after = await browser.submit(page, {})
    assert.doesNotMatch(after.body, /Device keeps access/)
    assert.match(await used(browser), /Access ended: invalid_grant/)
    await browser.close()
  })
})
