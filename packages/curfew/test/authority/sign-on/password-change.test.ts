import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createPasswordEndings } from '../../../src/authority/sign-on/password-endings.ts'
import type { LocalUser } from '../../../src/authority/sign-on/users.ts'
import type { Session } from '../../../src/core/session.ts'
import { createMemoryStore } from '../../../src/stores/memory/memory-store.ts'
import { type Browser, formOf } from '../browser.ts'
import { createFakeClock } from '../fake-clock.ts'
import { createKit, createLocalUsers, type Kit, type KitOptions, signIn, signInTo, users } from '../kit.ts'

const page = '/ext/pwdchange/Identify'
const fresh = 'seven wet umbrellas'

async function change(browser: Browser, fields: Readonly<Record<string, string>>, path = page) {
  const form = formOf((await browser.get(path)).body)
  return browser.post(form.action, { ...form.fields, current: 'correct horse', password: fresh, repeated: fresh, ...fields })
}

async function sessionsOf(kit: Kit, username = 'ana'): Promise<readonly Session[]> {
  return kit.store.findByUser(`local:${username}`)
}

/** A kit in which ana is signed in at a partner in two browsers. */
async function twoBrowsers(options: KitOptions = {}) {
  const kit = await createKit({ partners: { payroll: { slo: [{ binding: 'soap', url: 'https://payroll.test/slo' }] } }, ...options })
  const [here, there] = [kit.browser(), kit.browser()]
  await signInTo(kit, there, 'payroll')
  kit.clock.advance(1_000)
  await signInTo(kit, here, 'payroll')
  kit.clock.advance(1_000)
  return { kit, here, there }
}

suite('a changed password', () => {
  test('AC-129 ends the other sessions of the user by a run that tells their applications, and keeps this one', async () => {
    const { kit, here, there } = await twoBrowsers()
    await using _ = kit
    const [other, own] = await sessionsOf(kit)
    const answered = await change(here, { endOthers: 'yes' })
    assert.equal(answered.statusCode, 200)
    assert.match(answered.body, /Your password is changed/)
    assert.match(answered.body, /One other session was ended/)
    assert.deepEqual(
      (await sessionsOf(kit)).map(({ id }) => id),
      [own?.id]
    )
    const { items } = await kit.store.listRuns({ limit: 5 })
    assert.deepEqual(
      items.map(({ sessionId, reason, startedBy, deliveries }) => [sessionId, reason, startedBy, deliveries.map(({ peerId }) => peerId)]),
      [[other?.id, 'password-change', { kind: 'user', id: 'ana' }, ['payroll']]]
    )
    assert.equal(await kit.store.isRevoked(other?.sri ?? '', kit.clock.nowMs()), true)
    assert.match((await here.get('/')).body, /Signed in as ana/)
    assert.equal((await there.get('/')).statusCode, 303)
    assert.equal((await kit.store.getParticipants(own?.id ?? 'ses_')).length, 1, 'the applications of this session stay')
    assert.equal(await createPasswordEndings(kit.ctx)(), 0, 'nothing is left that was opened before')
  })

  test('AC-129 leaves the other sessions alone where the person wants that, also later', async () => {
    const { kit, here, there } = await twoBrowsers()
    await using _ = kit
    const answered = await change(here, {})
    assert.doesNotMatch(answered.body, /session was ended/)
    assert.equal(await createPasswordEndings(kit.ctx)(), 0)
    assert.equal((await sessionsOf(kit)).length, 2)
    assert.match((await there.get('/')).body, /Signed in as ana/)
  })

  for (const [otherSessions, endsSessions, left, box] of [
    ['ask', true, 1, 'checked'],
    ['ask', false, 1, 'unchecked'],
    ['end', true, 1, 'absent'],
    ['keep', true, 2, 'absent'],
    ['keep', false, 2, 'absent']
  ] as const) {
    test(`AC-129 with otherSessions ${otherSessions} and the option ${endsSessions ? 'on' : 'off'} the box is ${box}`, async () => {
      const { kit, here } = await twoBrowsers({ passwords: { otherSessions, endsSessions } })
      await using _ = kit
      const { body } = await here.get(page)
      const shown = /name="endOthers" value="yes" checked/.test(body) ? 'checked' : body.includes('endOthers') ? 'unchecked' : 'absent'
      assert.equal(shown, box)
      await change(here, box === 'absent' ? {} : { endOthers: 'yes' })
      assert.equal((await sessionsOf(kit)).length, left)
    })
  }

  test('gives this browser new cookies; a copy of the former ones is worth nothing', async () => {
    await using kit = await createKit({ sessions: { persistent: true } })
    const browser = kit.browser()
    await signIn(browser, '/', 'ana', undefined, { persistent: 'yes' })
    const copy = kit.browser()
    for (const [name, value] of browser.cookies) copy.cookies.set(name, value)
    const before = new Map(browser.cookies)
    kit.clock.advance(1_000)
    await change(browser, {})
    for (const name of ['PF', 'PF.PERSISTENT']) assert.notEqual(browser.cookies.get(name), before.get(name), name)
    assert.match((await browser.get('/')).body, /Signed in as ana/)
    browser.cookies.delete('PF')
    assert.match((await browser.get('/')).body, /Signed in as ana/)
    assert.equal((await copy.get('/')).statusCode, 303)
    copy.cookies.delete('PF')
    assert.equal((await copy.get('/')).statusCode, 303)
  })

  test('keeps this browser signed in where the node that signed it in has a clock ahead of this one', async () => {
    const clock = createFakeClock()
    const store = createMemoryStore({ capacity: 10 })
    await using ahead = await createKit({ store, startMs: clock.nowMs() + 300_000 })
    await using kit = await createKit({ store, clock })
    const [first, browser] = [ahead.browser(), kit.browser()]
    await signIn(first, '/')
    for (const [name, value] of first.cookies) browser.cookies.set(name, value)
    for (const [current, password] of [
      ['correct horse', fresh],
      [fresh, 'eight wet umbrellas']
    ] as const) {
      assert.equal((await change(browser, { current, password, repeated: password, endOthers: 'yes' })).statusCode, 200)
      assert.match((await browser.get('/')).body, /Signed in as ana/)
      assert.equal(await createPasswordEndings(kit.ctx)(), 0)
    }
    assert.equal((await signIn(kit.browser(), '/', 'ana', 'eight wet umbrellas')).statusCode, 303)
    assert.equal(await createPasswordEndings(kit.ctx)(), 0, 'whoever signs in with the new password meanwhile goes on')
    assert.equal((await sessionsOf(kit)).length, 2)
  })

  test('is the one that counts from then on', async () => {
    await using kit = await createKit()
    await change(kit.browser(), { username: 'ana' })
    assert.equal((await signIn(kit.browser(), '/')).statusCode, 401)
    assert.equal((await signIn(kit.browser(), '/', 'ana', fresh)).statusCode, 303)
  })

  test('without a session ends all of them where wanted, and signs nobody in', async () => {
    const { kit } = await twoBrowsers()
    await using _ = kit
    const stranger = kit.browser()
    const answered = await change(stranger, { username: 'ana', endOthers: 'yes' })
    assert.match(answered.body, /2 other sessions were ended/)
    assert.deepEqual(await sessionsOf(kit), [])
    assert.equal((await stranger.get('/')).statusCode, 303)
  })

  test('is written to the audit log, and no password anywhere', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    await signIn(browser, '/')
    await change(browser, { endOthers: 'yes' })
    const audit = await kit.store.listAudit({ limit: 20 })
    assert.deepEqual(audit.map(({ event }) => event).at(-1), 'password.changed')
    assert.doesNotMatch(JSON.stringify([audit, kit.logged]), /umbrellas|correct horse/)
  })
})

suite('the form for a new password', () => {
  for (const [what, fields, status, text] of [
    ['a wrong present password', { current: 'wrong' }, 401, /user name or the password is not right/],
    ['no present password', { current: '' }, 401, /user name or the password is not right/],
    ['two different new ones', { repeated: 'seven dry umbrellas' }, 400, /are not the same/],
    ['a short one', { password: 'elevenchars', repeated: 'elevenchars' }, 400, /at least 12 characters/],
    ['one of more than 1024 bytes', { password: 'ü'.repeat(513), repeated: 'ü'.repeat(513) }, 400, /too long/],
    ['the one that there is', { password: 'correct horse', repeated: 'correct horse' }, 400, /the one that you have now/],
    ['one with the user name in it', { password: 'I am ANA and well', repeated: 'I am ANA and well' }, 400, /must not contain your user name/]
  ] as const) {
    test(`refuses ${what}, and nothing changes`, async () => {
      await using kit = await createKit()
      const browser = kit.browser()
      await signIn(browser, '/')
      const cookie = browser.cookies.get('PF')
      const answered = await change(browser, fields)
      assert.equal(answered.statusCode, status)
      assert.match(answered.body, text)
      assert.match(answered.body, /role="alert" id="problem"/)
      assert.match(answered.body, /aria-invalid="true" aria-describedby="problem/)
      assert.doesNotMatch(answered.body, /value="[^"]*(horse|umbrella|wrong)/)
      assert.equal(browser.cookies.get('PF'), cookie)
      assert.equal((await signIn(kit.browser(), '/')).statusCode, 303)
    })
  }

  test('takes a password of exactly the least length, counted in characters', async () => {
    await using kit = await createKit()
    const password = '😀'.repeat(12)
    assert.equal((await change(kit.browser(), { username: 'ana', password, repeated: password })).statusCode, 200)
  })

  test('counts wrong present passwords together with those of the sign-in', async () => {
    await using kit = await createKit()
    for (let i = 0; i < 3; i++) await signIn(kit.browser(), '/', 'ana', 'wrong')
    for (let i = 0; i < 2; i++) assert.equal((await change(kit.browser(), { username: 'ana', current: 'wrong' })).statusCode, 401)
    const locked = await change(kit.browser(), { username: 'ana' })
    assert.equal(locked.statusCode, 429)
    assert.match(locked.body, /Too many attempts/)
    assert.equal((await signIn(kit.browser(), '/')).statusCode, 429)
  })

  test('answers an unknown user, a disabled one and a wrong password alike', async () => {
    await using kit = await createKit()
    const bodies = await Promise.all(
      [
        ['ben', 'wrong'],
        ['nobody', 'wrong'],
        ['gone', 'was here']
      ].map(async ([username = '', current = '']) => {
        const answered = await change(kit.browser(), { username, current })
        assert.equal(answered.statusCode, 401)
        return answered.body.replace(/nonce="[^"]*"|value="[^"]*"/g, '')
      })
    )
    assert.equal(new Set(bodies).size, 1)
  })

  test('changes the password of who is signed in, whatever name the form says', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    await signIn(browser, '/')
    await change(browser, { username: 'ben', current: 'battery staple' })
    assert.equal((await signIn(kit.browser(), '/', 'ben')).statusCode, 303)
  })

  test('is refused when it was not shown in this browser, or for another session', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    await signIn(browser, '/')
    const form = formOf((await browser.get(page)).body)
    const bare = { current: 'correct horse', password: fresh, repeated: fresh }
    const fields = { ...form.fields, ...bare }
    assert.equal((await kit.browser().post(page, fields)).statusCode, 403)
    assert.equal((await browser.post(page, { ...fields, csrfToken: 'x' })).statusCode, 403)
    assert.match((await browser.post(page, bare)).body, /Present password/, 'a form of somebody else only opens the page')
    const stranger = kit.browser()
    stranger.cookies.set('PF.FORM', browser.cookies.get('PF.FORM') ?? assert.fail())
    assert.equal((await stranger.post(page, fields)).statusCode, 403)
    assert.equal((await signIn(kit.browser(), '/')).statusCode, 303, 'the password is what it was')
  })

  test('goes on to TargetResource where that is allowed, and to the start page otherwise', async () => {
    await using kit = await createKit({ signOn: { targets: [{ domain: 'www.example.org', requireHttps: true, allowQueryAndFragment: false }] } })
    const next = async (target: string) => {
      const browser = kit.browser()
      const form = formOf((await browser.get(`${page}?TargetResource=${encodeURIComponent(target)}`)).body)
      const answered = await browser.post(form.action, { ...form.fields, username: 'ben', current: 'battery staple', password: fresh, repeated: fresh })
      await change(kit.browser(), { username: 'ben', current: fresh, password: 'battery staple', repeated: 'battery staple' })
      return /class="button primary" href="([^"]*)"/.exec(answered.body)?.[1]
    }
    assert.equal(await next('https://www.example.org/done'), 'https://www.example.org/done')
    assert.equal(await next('https://www.example.org.evil.test/'), '/')
  })

  test('is linked from the sign-in and from my sessions, and is not there where it is switched off', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    const start = await browser.get('/')
    const signInPage = await browser.get(String(start.headers.location))
    assert.match(signInPage.body, /href="\/ext\/pwdchange\/Identify\?resume=[\w-]{22}"/)
    assert.match(signInPage.body, /href="\/ext\/pwdreset\/Identify"/)
    await signIn(browser, '/')
    assert.match((await browser.get('/signoff/sessions')).body, /href="\/ext\/pwdchange\/Identify"/)
    await using off = await createKit({ passwords: { change: false } })
    const other = off.browser()
    assert.equal((await other.get(page)).statusCode, 404)
    assert.equal((await other.get('/ext/pwdreset/Identify')).statusCode, 404)
    assert.doesNotMatch((await other.get(String((await other.get('/')).headers.location))).body, /pwdchange/)
  })
})

suite('a password change in the middle of a sign-in', () => {
  test('by choice: the way goes on to the application', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    const first = await browser.get(await kit.partner('payroll').ssoRedirect())
    const signInPage = await browser.get(String(first.headers.location))
    const link = /href="(\/ext\/pwdchange\/Identify\?resume=[\w-]{22})"/.exec(signInPage.body)?.[1] ?? assert.fail()
    const answered = await change(browser, { username: 'ana' }, link)
    assert.ok(kit.partner('payroll').readResponse(answered.body).response.assertion)
    assert.equal((await sessionsOf(kit)).length, 1)
  })

  const demanded: readonly LocalUser[] = users.map((user) => (user.username === 'ana' ? { ...user, mustChangePassword: true } : user))

  test('by demand: nobody is signed in before the new password is there', async () => {
    await using kit = await createKit({ localUsers: createLocalUsers(demanded) })
    const browser = kit.browser()
    const first = await browser.get(await kit.partner('payroll').ssoRedirect())
    const asked = await signIn(browser, String(first.headers.location))
    assert.equal(asked.statusCode, 200)
    assert.match(asked.body, /Before you go on, choose a new password/)
    assert.deepEqual(await sessionsOf(kit), [])
    const form = formOf(asked.body)
    const fields = { ...form.fields, username: 'ana', current: 'correct horse' }
    const short = await browser.post(form.action, { ...fields, password: 'short', repeated: 'short' })
    assert.match(short.body, /Before you go on/)
    assert.deepEqual(await sessionsOf(kit), [])
    const again = formOf(short.body)
    const answered = await browser.post(again.action, { ...again.fields, username: 'ana', current: 'correct horse', password: fresh, repeated: fresh })
    assert.ok(kit.partner('payroll').readResponse(answered.body).response.assertion)
    assert.equal((await signIn(kit.browser(), '/', 'ana', fresh)).statusCode, 303, 'it is not demanded again')
  })

  test('where another user is signed in: that one is signed out first', async () => {
    await using kit = await createKit({ localUsers: createLocalUsers(demanded) })
    const browser = kit.browser()
    await signInTo(kit, browser, 'payroll', 'ben')
    const forced = await browser.get(await kit.partner('payroll').ssoRedirect({ forceAuthn: true }))
    const form = formOf((await signIn(browser, String(forced.headers.location))).body)
    const answered = await browser.post(form.action, { ...form.fields, username: 'ana', current: 'correct horse', password: fresh, repeated: fresh })
    assert.match(String(answered.headers.location), /^\/signoff\/run_/)
    assert.deepEqual(await sessionsOf(kit, 'ben'), [])
  })

  test('of the user who is signed in here keeps the session with its applications', async () => {
    await using kit = await createKit({ partners: { payroll: {}, intranet: {} } })
    const browser = kit.browser()
    await signInTo(kit, browser, 'payroll')
    const [before] = await sessionsOf(kit)
    kit.clock.advance(1_000)
    const forced = await browser.get(await kit.partner('intranet').ssoRedirect({ forceAuthn: true }))
    const signInPage = await browser.get(String(forced.headers.location))
    const link = /href="(\/ext\/pwdchange\/Identify\?resume=[\w-]{22})"/.exec(signInPage.body)?.[1] ?? assert.fail()
    const answered = await change(browser, { username: 'ana' }, link)
    assert.ok(kit.partner('intranet').readResponse(answered.body).response.assertion)
    const sessions = await sessionsOf(kit)
    assert.deepEqual(
      sessions.map(({ id }) => id),
      [before?.id]
    )
    assert.match((await browser.get('/')).body, /Signed in as ana/)
  })

  test('is no way around where passwords are not changed here', async () => {
    await using kit = await createKit({ localUsers: createLocalUsers(demanded), passwords: { change: false } })
    const answered = await signIn(kit.browser(), '/')
    assert.equal(answered.statusCode, 403)
    assert.match(answered.body, /that is not possible here/)
    assert.deepEqual(await sessionsOf(kit), [])
  })
})
