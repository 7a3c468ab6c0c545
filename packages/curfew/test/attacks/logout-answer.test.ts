import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type Browser, formOf } from '../authority/browser.ts'
import { createKit, type Kit, signIn } from '../authority/kit.ts'
import { clientOf, tokensFor } from '../authority/oidc/relying-party.ts'

const crossSite = { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'document' }
/** Wherever a logout is asked about. */
const doors = ['/signoff', '/idp/startSLO.ping', '/sp/startSLO.ping', '/idp/init_logout.openid', '/sso/initslo/', '/sso/terminatesession', '/ext/logout']

async function signedIn(): Promise<{ readonly kit: Kit; readonly browser: Browser }> {
  const kit = await createKit({
    partners: { payroll: {} },
    clients: [clientOf('wiki')],
    adapterLogouts: [{ sourceId: 'form', path: '/logout' }],
    network: async () => ({ status: 200 }),
    startMs: Temporal.Now.instant().epochMilliseconds
  })
  const browser = kit.browser()
  await signIn(browser, '/')
  return { kit, browser }
}

async function live(kit: Kit): Promise<number> {
  return (await kit.store.listSessions({ state: 'live', limit: 10, nowMs: kit.clock.nowMs() })).items.length
}

/** The question, as a link of another site brings it up, with the answer `choice`. */
async function question(browser: Browser, door: string, choice: string) {
  const page = await browser.get(door, crossSite)
  const { action, fields } = formOf(page.body)
  const answer: Readonly<Record<string, string>> = { ...fields, choice }
  return { action, fields: answer }
}

suite('Attacks with the answer to a logout', () => {
  for (const door of doors) {
    test(`${door}: an answer counts once; the second use ends nothing, and the page asks again`, async () => {
      const { kit: made, browser } = await signedIn()
      await using kit = made
      const { action, fields } = await question(browser, door, 'stay')
      await browser.post(action, fields)
      const second = await browser.post(action, { ...fields, choice: 'everywhere' })
      assert.equal(second.statusCode, 409)
      assert.match(second.body, /was answered already/)
      assert.equal(await live(kit), 1)
      const again = formOf(second.body)
      assert.notEqual(again.fields['csrfToken'], fields['csrfToken'])
      assert.equal((await browser.post(again.action, { ...again.fields, choice: 'everywhere' })).statusCode, 303)
      assert.equal(await live(kit), 0)
    })

    test(`${door}: an answer after half an hour ends nothing, and the page asks again`, async () => {
      const { kit: made, browser } = await signedIn()
      await using kit = made
      const { action, fields } = await question(browser, door, 'everywhere')
      kit.clock.advance(30 * 60_000)
      const late = await browser.post(action, fields)
      assert.equal(late.statusCode, 409)
      assert.equal(await live(kit), 1)
      const again = formOf(late.body)
      await browser.post(again.action, { ...again.fields, choice: 'everywhere' })
      assert.equal(await live(kit), 0)
    })
  }

  test('two pages at once, and one that was loaded again, are each answered once', async () => {
    const { kit: made, browser } = await signedIn()
    await using kit = made
    const pages = [
      await question(browser, '/signoff', 'stay'),
      await question(browser, '/signoff', 'stay'),
      await question(browser, '/idp/startSLO.ping', 'stay')
    ]
    assert.equal(new Set(pages.map(({ fields }) => fields['csrfToken'])).size, 3)
    for (const { action, fields } of pages) assert.notEqual((await browser.post(action, fields)).statusCode, 409)
    assert.equal(await live(kit), 1)
  })

  test('used 100 times at once, exactly one counts', async () => {
    const { kit: made, browser } = await signedIn()
    await using kit = made
    const { action, fields } = await question(browser, '/signoff', 'stay')
    const headers = { 'content-type': 'application/x-www-form-urlencoded', cookie: [...browser.cookies].map((pair) => pair.join('=')).join('; ') }
    const payload = new URLSearchParams(fields).toString()
    const answers = await Promise.all(Array.from({ length: 100 }, () => kit.app.inject({ method: 'POST', url: action, headers, payload })))
    assert.equal(answers.filter(({ statusCode }) => statusCode === 303).length, 1)
    assert.equal(answers.filter(({ statusCode }) => statusCode === 409).length, 99)
  })

  test('a button that is pressed twice shows the sign-out that the first press began', async () => {
    const { kit: made, browser } = await signedIn()
    await using kit = made
    await browser.get(await kit.partner('payroll').ssoRedirect())
    const { action, fields } = await question(browser, '/signoff', 'only:payroll')
    const first = await browser.post(action, fields)
    assert.match(String(first.headers.location), /^\/signoff\/run_/)
    assert.equal((await browser.post(action, fields)).headers.location, first.headers.location)
    assert.equal((await kit.store.listRuns({ limit: 5 })).items.length, 1)
  })

  test('values of other forms of this browser, of another browser, or changed, answer nothing', async () => {
    const { kit: made, browser } = await signedIn()
    await using kit = made
    const sessions = /name="csrfToken" value="([^"]+)"/.exec((await browser.get('/signoff/sessions')).body)?.[1] ?? assert.fail()
    const other = kit.browser()
    await signIn(other, '/', 'ben')
    await tokensFor(kit, other, 'wiki')
    const foreign = (await question(other, '/signoff', 'stay')).fields['csrfToken'] ?? assert.fail()
    const own = (await question(browser, '/signoff', 'stay')).fields['csrfToken'] ?? assert.fail()
    const [nonce, until = '', token] = own.split('.')
    const longer = [nonce, (Number.parseInt(until, 36) + 1).toString(36), token].join('.')
    const renamed = [`${nonce?.slice(0, -1)}${nonce?.endsWith('A') === true ? 'B' : 'A'}`, until, token].join('.')
    for (const csrfToken of [sessions, foreign, longer, renamed, '', `${own}.`]) {
      for (const door of doors) await browser.post(door, { csrfToken, choice: 'everywhere' })
      assert.equal(await live(kit), 2, csrfToken)
    }
  })
})
