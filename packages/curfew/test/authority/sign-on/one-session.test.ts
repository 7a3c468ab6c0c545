import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { LightMyRequestResponse } from 'fastify'
import { tokenHash } from '../../../src/authority/sign-on/cookies.ts'
import { openingMs } from '../../../src/authority/sign-on/opening.ts'
import { resumePath } from '../../../src/authority/sign-on/transaction.ts'
import type { Session } from '../../../src/core/session.ts'
import { type Browser, type Form, formOf } from '../browser.ts'
import { createKit, type Kit, signIn, signInTo } from '../kit.ts'

const right: Readonly<Record<string, string>> = { ana: 'correct horse', ben: 'battery staple' }

/** The form of one more tab. */
async function formAt(browser: Browser, url: string): Promise<Form> {
  let page = await browser.get(url)
  for (let i = 0; i < 3 && page.statusCode === 303; i++) page = await browser.get(String(page.headers.location))
  return formOf(page.body)
}

async function formFor(kit: Kit, browser: Browser, id: string, forceAuthn = false): Promise<Form> {
  return formAt(browser, await kit.partner(id).ssoRedirect(forceAuthn ? { forceAuthn } : {}))
}

/** Sends forms in the same moment: every request leaves with the cookies that the browser has now. */
function sendAll(browser: Browser, forms: readonly Form[], names: readonly string[] = ['ana'], more: Readonly<Record<string, string>> = {}) {
  return Promise.all(
    forms.map(({ action, fields }, i) => {
      const username = names[i % names.length] ?? 'ana'
      return browser.post(action, { ...fields, username, password: right[username] ?? '', ...more })
    })
  )
}

function cookieOf(answer: LightMyRequestResponse, name = 'PF'): string | undefined {
  return answer.cookies.find((cookie) => cookie.name === name)?.value
}

async function live(kit: Kit, ...names: readonly string[]): Promise<readonly Session[]> {
  return (await Promise.all((names.length === 0 ? ['ana'] : names).map((name) => kit.store.findByUser(`local:${name}`)))).flat()
}

suite('sign-ins of one browser in the same moment', () => {
  test('a form that is sent many times at once goes on each time, with one session and one cookie', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    const form = await formFor(kit, browser, 'payroll')
    const answers = await sendAll(
      browser,
      Array.from({ length: 6 }, () => form)
    )
    for (const answer of answers) assert.ok(kit.partner('payroll').readResponse(answer.body).response.assertion)
    assert.equal(new Set(answers.map((answer) => cookieOf(answer))).size, 1)
    const [session, ...others] = await live(kit)
    assert.equal(others.length, 0)
    assert.equal((await kit.store.getParticipants(session?.id ?? 'ses_')).length, 1)
    assert.match((await browser.get('/')).body, /Signed in as ana/)
  })

  test('two tabs for two applications lead into one session, whichever answer the browser keeps', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    const forms = [await formFor(kit, browser, 'payroll'), await formFor(kit, browser, 'intranet')]
    const before = new Map(browser.cookies)
    const answers = await sendAll(browser, forms)
    const [session, ...others] = await live(kit)
    assert.equal(others.length, 0)
    assert.deepEqual((await kit.store.getParticipants(session?.id ?? 'ses_')).map(({ peerId }) => peerId).toSorted(), ['intranet', 'payroll'])
    for (const answer of answers) {
      const other = kit.browser()
      for (const [name, value] of before) other.cookies.set(name, value)
      for (const { name, value } of answer.cookies) if (value !== '') other.cookies.set(name, value)
      assert.match((await other.get('/')).body, /Signed in as ana/)
    }
  })

  test('each form of several tabs may be sent twice, also after all have been answered', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    const forms = [await formFor(kit, browser, 'payroll'), await formFor(kit, browser, 'intranet'), await formFor(kit, browser, 'payroll')]
    const before = new Map(browser.cookies)
    const at = (i: number) => kit.partner(i % 3 === 1 ? 'intranet' : 'payroll')
    const first = await sendAll(browser, [...forms, ...forms])
    for (const [i, answer] of first.entries()) assert.ok(at(i).readResponse(answer.body).response.assertion)
    // As if no answer had arrived.
    browser.cookies.clear()
    for (const [name, value] of before) browser.cookies.set(name, value)
    for (const [i, answer] of (await sendAll(browser, forms)).entries()) assert.ok(at(i).readResponse(answer.body).response.assertion)
    assert.equal((await live(kit)).length, 1)
  })

  test('tabs that say different things of the device have one cookie too, and each leads to the session', async () => {
    await using kit = await createKit({ sessions: { persistent: true }, signOn: { asksDevice: true } })
    const browser = kit.browser()
    const forms = [await formFor(kit, browser, 'payroll'), await formFor(kit, browser, 'intranet'), await formAt(browser, '/')]
    const before = new Map(browser.cookies)
    const answers = await Promise.all(
      forms.map(({ action, fields }, i) =>
        browser.post(action, { ...fields, username: 'ana', password: 'correct horse', ...(i === 1 ? {} : { device: 'private' }) })
      )
    )
    assert.equal((await live(kit)).length, 1)
    assert.equal(new Set(answers.map((answer) => cookieOf(answer))).size, 1)
    const [session] = await live(kit)
    for (const answer of answers) {
      const other = kit.browser()
      for (const [name, value] of before) other.cookies.set(name, value)
      for (const { name, value } of answer.cookies) if (value !== '') other.cookies.set(name, value)
      assert.ok(cookieOf(answer) !== undefined && session !== undefined)
      assert.equal(tokenHash(other.cookies.get('PF') ?? ''), session.tokenHash)
    }
  })

  test('a sign-in that the store had no room for keeps nobody waiting, and its form may be sent again', async () => {
    await using kit = await createKit({ capacity: 1 })
    const browser = kit.browser()
    // Every group has room for one, and it depends on the number of requests which group a sign-in is in.
    for (let i = 0; i < 4; i++) {
      const other = kit.browser()
      for (let visits = 0; visits < i; visits++) await other.get('/signed-out')
      await signIn(other, '/', 'ben')
    }
    const form = await formFor(kit, browser, 'payroll')
    for (let i = 0; i < 3; i++) {
      const atMs = performance.now()
      const [answer] = await sendAll(browser, [form])
      assert.match(answer?.body ?? '', /CURFEW_SESSION_CAPACITY/)
      assert.ok(performance.now() - atMs < 1_000, 'nobody waits for a session that does not come')
    }
  })

  test('a form that replaces somebody else may be sent twice: both answers lead to the one logout, and on from there', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    await signIn(browser, '/', 'ben')
    const form = await formFor(kit, browser, 'payroll', true)
    const before = new Map(browser.cookies)
    const answers = [...(await sendAll(browser, [form, form])), ...(await sendAll(browser, [form]))]
    const [first] = answers
    assert.match(String(first?.headers.location), /^\/signoff\/run_/)
    assert.deepEqual(
      answers.map(({ statusCode, headers }) => [statusCode, headers.location]),
      answers.map(() => [303, first?.headers.location])
    )
    const stranger = kit.browser()
    assert.equal((await sendAll(stranger, [form]))[0]?.statusCode, 403)
    for (const [name, value] of before) browser.cookies.set(name, value)
    const [asBen] = await sendAll(browser, [form], ['ben'])
    assert.equal(asBen?.statusCode, 400, 'it goes on for whom it began for alone')
    let page = await browser.get(String(first?.headers.location))
    for (let i = 0; i < 5 && page.statusCode === 303; i++) page = await browser.get(String(page.headers.location))
    assert.ok(kit.partner('payroll').readResponse(page.body).response.assertion)
    assert.deepEqual([(await live(kit, 'ana')).length, (await live(kit, 'ben')).length], [1, 0])
  })

  test('a form that was not shown in this browser is refused before anything is looked for', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    const { fields } = await formAt(browser, '/')
    const answer = await browser.post(resumePath('A'.repeat(22)), { ...fields, username: 'ana', password: 'correct horse' })
    assert.match(answer.body, /CURFEW_SESSION_FORM_FOREIGN/)
  })

  test('with "keep me signed in" both have the same persistent cookie', async () => {
    await using kit = await createKit({ sessions: { persistent: true } })
    const browser = kit.browser()
    const forms = [await formAt(browser, '/'), await formAt(browser, '/')]
    const answers = await sendAll(browser, forms, ['ana'], { persistent: 'yes' })
    assert.equal(new Set(answers.map((answer) => cookieOf(answer, 'PF.PERSISTENT'))).size, 1)
    assert.match(cookieOf(answers[0] ?? assert.fail(), 'PF.PERSISTENT') ?? '', /^[\w-]{32}$/)
    browser.cookies.delete('PF')
    assert.match((await browser.get('/')).body, /Signed in as ana/)
    assert.equal((await live(kit)).length, 1)
  })

  test('two tabs in which the user proves itself again leave the session with one new cookie', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    await signInTo(kit, browser, 'payroll')
    const former = browser.cookies.get('PF')
    const [session] = await live(kit)
    kit.clock.advance(60_000)
    const forms = [await formFor(kit, browser, 'payroll', true), await formFor(kit, browser, 'intranet', true)]
    const answers = await sendAll(browser, forms)
    assert.equal(new Set(answers.map((answer) => cookieOf(answer))).size, 1)
    assert.notEqual(browser.cookies.get('PF'), former)
    assert.deepEqual(
      (await live(kit)).map(({ id }) => id),
      [session?.id]
    )
    assert.match((await browser.get('/')).body, /Signed in as ana/)
  })

  test('two people at once leave the session of one; that of the other ends by a run', async () => {
    await using kit = await createKit({ partners: { payroll: { slo: [{ binding: 'soap', url: 'https://payroll.test/slo' }] }, intranet: {} } })
    const browser = kit.browser()
    const forms = [await formFor(kit, browser, 'payroll'), await formFor(kit, browser, 'intranet')]
    await sendAll(browser, forms, ['ana', 'ben'])
    const left = await live(kit, 'ana', 'ben')
    assert.equal(left.length, 1)
    const { items } = await kit.store.listRuns({ limit: 5 })
    assert.deepEqual(
      items.map(({ reason, startedBy }) => [reason, startedBy]),
      [['replaced', { kind: 'user', id: left[0]?.username }]]
    )
  })

  test('after a logout in the same browser a sign-in opens a new session with a new cookie', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    const form = await formAt(browser, '/')
    await sendAll(browser, [form])
    const [former] = await live(kit)
    const cookie = browser.cookies.get('PF')
    await kit.ctx.engine.endSessions({
      scope: { kind: 'session', sessionId: former?.id ?? 'ses_' },
      reason: 'user',
      by: { kind: 'user', id: 'ana' },
      starter: { kind: 'none' },
      browser: 'absent'
    })
    browser.cookies.delete('PF')
    assert.equal((await sendAll(browser, [form]))[0]?.statusCode, 400, 'the form of before signs nobody in again')
    await signIn(browser, '/')
    const [session, ...others] = await live(kit)
    assert.equal(others.length, 0)
    assert.notEqual(session?.id, former?.id)
    assert.notEqual(browser.cookies.get('PF'), cookie)
  })

  test('a moment later it is another session, and so it is in another browser', async () => {
    await using kit = await createKit()
    const [browser, other] = [kit.browser(), kit.browser()]
    const forms = [await formAt(browser, '/'), await formAt(other, '/')]
    await Promise.all([sendAll(browser, forms.slice(0, 1)), sendAll(other, forms.slice(1))])
    assert.equal((await live(kit)).length, 2)
    browser.cookies.delete('PF')
    kit.clock.advance(openingMs)
    await signIn(browser, '/')
    assert.equal((await live(kit)).length, 3)
  })
})
