import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { status, statusUri } from '@curfew/codecs'
import type { Session } from '../../../src/core/session.ts'
import { type Browser, formOf } from '../browser.ts'
import { createKit, type Kit, signIn, signInTo } from '../kit.ts'

const live = async (kit: Kit, user = 'ana'): Promise<readonly Session[]> => kit.store.findByUser(`local:${user}`)

/** Ana in two browsers, and Ben: the second session is the one that is chosen. */
async function twoBrowsers() {
  const kit = await createKit()
  const [here, there, stranger] = [kit.browser(), kit.browser(), kit.browser()]
  await signIn(here, '/')
  kit.clock.advance(1_000)
  await signInTo(kit, there, 'payroll')
  await signIn(stranger, '/', 'ben')
  const [own, other] = await live(kit)
  assert.ok(own !== undefined && other !== undefined)
  return { kit, here, there, own, other }
}

async function end(browser: Browser, id: string, password: string) {
  const page = await browser.get('/signoff/sessions')
  return browser.post('/signoff/sessions', { ...formOf(page.body).fields, end: id, password })
}

suite('my sessions', () => {
  test('one that is chosen ends with the right password, its applications are told, and the others go on', async () => {
    const { kit, here, there, own, other } = await twoBrowsers()
    await using _ = kit
    const page = (await here.get('/signoff/sessions')).body
    assert.equal([...page.matchAll(/<button name="end" value="ses_/g)].length, 2)
    assert.match(page, /This browser/)
    assert.match(page, /Applications: Payroll/)
    const done = await end(here, other.id, 'correct horse')
    assert.match(done.body, /One session was ended/)
    assert.deepEqual(
      (await live(kit)).map(({ id }) => id),
      [own.id]
    )
    const { items } = await kit.store.listRuns({ limit: 5 })
    assert.deepEqual(
      items.map((run) => [run.sessionId, run.reason, run.startedBy, run.deliveries.map(({ peerId }) => peerId)]),
      [[other.id, 'user', { kind: 'user', id: 'ana' }, ['payroll']]]
    )
    assert.match((await here.get('/')).body, /Signed in as ana/)
    assert.notEqual((await there.get('/')).statusCode, 200)
  })

  test('each time says its zone, and sessions of the same second are told apart, to whoever hears the page, too', async () => {
    const { kit, here } = await twoBrowsers()
    await using _ = kit
    await signIn(kit.browser(), '/')
    const page = (await here.get('/signoff/sessions')).body
    const names = [...page.matchAll(/<button name="end" value="ses_[^"]*" aria-label="Sign out this session, started ([^"]*)"/g)].map(([, name]) => name ?? '')
    assert.deepEqual([names.length, new Set(names).size], [3, 3])
    const zone = new Intl.DateTimeFormat('en', { timeZoneName: 'short' }).formatToParts(kit.clock.nowMs()).find(({ type }) => type === 'timeZoneName')?.value
    for (const name of names) {
      assert.ok(name.replace(/ \(2\)$/, '').endsWith(`M ${zone}`), name)
      assert.ok(page.includes(`Started ${name}<`), name)
    }
    assert.equal(names.filter((name) => name.endsWith(' (2)')).length, 1)
  })

  test('with a wrong password nothing ends, and the page says so', async () => {
    const { kit, here, other } = await twoBrowsers()
    await using _ = kit
    for (const password of ['wrong', '']) {
      const refused = await end(here, other.id, password)
      assert.match(refused.body, /class="bad" role="alert"/)
      assert.equal((await live(kit)).length, 2)
    }
    assert.deepEqual((await kit.store.listRuns({ limit: 5 })).items, [])
  })

  test('nobody ends the session of somebody else, nor by a form of another browser', async () => {
    const { kit, here, there, other } = await twoBrowsers()
    await using _ = kit
    const [bens] = await live(kit, 'ben')
    await end(here, bens?.id ?? '', 'correct horse')
    assert.equal((await live(kit, 'ben')).length, 1)
    const { fields } = formOf((await there.get('/signoff/sessions')).body)
    const foreign = await here.post('/signoff/sessions', { ...fields, end: other.id, password: 'correct horse' })
    assert.match(foreign.body, /CURFEW_SESSION_FORM_FOREIGN/)
    assert.equal((await live(kit)).length, 2)
  })

  test('this one leads to its sign-off page, all others end at once', async () => {
    const { kit, here, own } = await twoBrowsers()
    await using _ = kit
    assert.match((await end(here, 'others', 'correct horse')).body, /One session was ended/)
    assert.deepEqual(
      (await live(kit)).map(({ id }) => id),
      [own.id]
    )
    assert.match(String((await end(here, own.id, 'correct horse')).headers.location), /^\/signoff\/run_/)
    assert.deepEqual(await live(kit), [])
  })
})

suite('the question of the sign-off page', () => {
  test('stay signed in: nothing ends, and the browser is back at its start', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    await signInTo(kit, browser, 'payroll')
    const page = (await browser.get('/signoff')).body
    assert.match(page, /<button name="choice" value="stay">Stay signed in<\/button>/)
    const stayed = await browser.post('/signoff', { ...formOf(page).fields, choice: 'stay' })
    assert.deepEqual([stayed.statusCode, stayed.headers.location], [303, '/'])
    assert.match((await browser.get('/')).body, /Signed in as ana/)
    assert.equal((await live(kit)).length, 1)
    assert.deepEqual((await kit.store.listRuns({ limit: 5 })).items, [])
  })
})

suite('the result of a sign-off', () => {
  test('an application that did not confirm can be opened from it, to sign out there; one that did can not', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    for (const id of ['payroll', 'intranet']) await signInTo(kit, browser, id)
    const { fields } = formOf((await browser.get('/signoff')).body)
    const path = String((await browser.post('/signoff', { ...fields, choice: 'everywhere' })).headers.location)
    for (let i = 0; i < 2; i++) {
      const away = String((await browser.get(`${path}/go`)).headers.location)
      const partner = kit.partner(new URL(away).hostname.replace('.test', ''))
      const answer = partner === kit.partner('payroll') ? status.responder(statusUri.requestDenied) : status.success()
      await browser.get(await partner.logoutAnswer(partner.readLogoutRequest(away), answer))
    }
    const page = (await browser.get(path)).body
    assert.match(page, /<a class="button" href="http:\/\/payroll\.test\/" target="_blank" rel="noopener noreferrer">Open Payroll<\/a>/)
    assert.doesNotMatch(page, /Open Intranet/)
    assert.doesNotMatch((await kit.browser().get(path)).body, /Open Payroll/, 'nobody else is offered it')
  })
})
