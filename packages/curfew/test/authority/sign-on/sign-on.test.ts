import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { checkPassword } from '../../../src/authority/sign-on/check-password.ts'
import { createOpenChecks } from '../../../src/authority/sign-on/open-checks.ts'
import type { User } from '../../../src/authority/sign-on/user-directory.ts'
import { configSchema } from '../../../src/config/schema.ts'
import type { Session } from '../../../src/core/session.ts'
import { formOf } from '../browser.ts'
import { localDirectory } from '../../../src/authority/sign-on/users.ts'
import { createKit, createLocalUsers, type Kit, passwords, signIn, signInTo } from '../kit.ts'
import { createHub, liveSessions, signInAt } from '../saml-sp/hub.ts'

async function onlySession(kit: Kit, username = 'ana'): Promise<Session> {
  const sessions = await kit.store.findByUser(`local:${username}`)
  assert.equal(sessions.length, 1)
  return sessions[0] ?? assert.fail()
}

/** A directory that answers when it is let: `checked` has who was asked about, `nobody` for those who were locked. */
function slowDirectory() {
  const local = localDirectory(createLocalUsers(), passwords)
  const released = Promise.withResolvers<void>()
  const waiting = new Set<() => void>()
  const checked: string[] = []
  const users = {
    ...local,
    checked,
    async verify(user: User | undefined, password: string) {
      checked.push(user?.username ?? 'nobody')
      for (const look of waiting) look()
      await released.promise
      // Nobody's password takes a moment longer than those that came before, and than the answer of a store with copies.
      if (user === undefined) await setTimeout(50)
      return local.verify(user, password)
    }
  }
  const whenChecked = (count: number): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (checked.length < count) return
        waiting.delete(look)
        resolve()
      }
      waiting.add(look)
      look()
    })
  return { users, whenChecked, release: () => released.resolve() }
}

suite('the sign-in form', () => {
  test('signs in from the start page and lists the applications', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    const answered = await signIn(browser, '/')
    assert.equal(answered.headers.location, '/')
    const home = await browser.get('/')
    assert.match(home.body, /Signed in as ana/)
    assert.match(home.body, /startSSO\.ping\?PartnerSpId=http%3A%2F%2Fpayroll\.test%2Fsaml/)
    assert.match(home.body, /href="\/signoff"/)
  })

  test('answers an unknown user, a disabled one and a wrong password alike', async () => {
    await using kit = await createKit()
    const bodies = await Promise.all(
      [
        ['ana', 'wrong'],
        ['nobody', 'wrong'],
        ['gone', 'was here']
      ].map(async ([username, password]) => {
        const answered = await signIn(kit.browser(), '/', username, password)
        assert.equal(answered.statusCode, 401)
        return answered.body.replace(/nonce="[^"]*"|value="[^"]*"|\/idp\/[\w-]{22}|resume=[\w-]{22}/g, '')
      })
    )
    assert.equal(new Set(bodies).size, 1)
  })

  test('checks a password of an unknown user too, so that both take the same time', async () => {
    let checks = 0
    await using kit = await createKit({ users: localDirectory(createLocalUsers(), { ...passwords, verify: async () => (checks += 1) < 0 }) })
    await signIn(kit.browser(), '/', 'nobody', 'x')
    assert.equal(checks, 1)
  })

  test('refuses who is disabled while the password is checked, or waits for that', async () => {
    const known = createLocalUsers()
    let isDisabled = false
    const local = {
      ...known,
      find: async (name: string) => {
        const user = await known.find(name)
        return user === undefined ? undefined : { ...user, isDisabled }
      }
    }
    const verify = async (hash: string, password: string): Promise<boolean> => {
      isDisabled = true
      return passwords.verify(hash, password)
    }
    await using kit = await createKit({ users: localDirectory(local, { ...passwords, verify }) })
    assert.equal((await signIn(kit.browser(), '/')).statusCode, 401)
    assert.deepEqual(await kit.store.findByUser('local:ana'), [])
  })

  test('locks a user after too many attempts, known or not, and unlocks when the window has passed', async () => {
    await using kit = await createKit()
    for (const username of ['ana', 'nobody']) {
      for (let i = 0; i < 5; i++) assert.equal((await signIn(kit.browser(), '/', username, 'wrong')).statusCode, 401)
      assert.equal((await signIn(kit.browser(), '/', username)).statusCode, 429)
    }
    kit.clock.advance(15 * 60_000 + 1)
    assert.equal((await signIn(kit.browser(), '/')).statusCode, 303)
  })

  test('lets parallel guesses not pass the limit', async () => {
    await using kit = await createKit()
    const answers = await Promise.all(Array.from({ length: 20 }, () => signIn(kit.browser(), '/', 'ana', 'wrong')))
    assert.equal(answers.filter((answer) => answer.statusCode === 401).length, 5)
  })

  test('after parallel guesses the account is locked wherever the next one is tried, for the right password, too', async () => {
    await using kit = await createKit()
    await Promise.all(Array.from({ length: 20 }, () => signIn(kit.browser(), '/', 'ana', 'wrong')))
    for (let i = 0; i < 2; i++) assert.equal((await signIn(kit.browser(), '/')).statusCode, 429)
  })

  test('lets eight right passwords of one person in at once: none of them counts as a guess', async () => {
    const { users, whenChecked, release } = slowDirectory()
    await using kit = await createKit({ users })
    const answers = Promise.all(Array.from({ length: 8 }, () => signIn(kit.browser(), '/')))
    await whenChecked(5)
    release()
    assert.deepEqual(
      (await answers).map(({ statusCode }) => statusCode),
      Array.from({ length: 8 }, () => 303)
    )
    assert.equal(await kit.store.lockRead('local:ana', kit.clock.nowMs(), 900_000), 0)
  })

  test('lets right passwords in that find the limit used up by those that another node checks', async () => {
    const { users, whenChecked, release } = slowDirectory()
    await using kit = await createKit({ users })
    const node = () => ({ ...kit.ctx, openChecks: createOpenChecks() })
    const [a, b] = [node(), node()]
    const first = Promise.all(Array.from({ length: 5 }, () => checkPassword(a, 'ana', 'correct horse')))
    await whenChecked(5)
    const others = Promise.all(Array.from({ length: 3 }, () => checkPassword(b, 'ana', 'correct horse')))
    await whenChecked(8)
    release()
    assert.deepEqual(new Set([...(await first), ...(await others)].map(({ kind }) => kind)), new Set(['ok']))
  })

  test('lets no parallel guess pass the limit while a right password is checked, and locks when all that are open were wrong', async () => {
    const { users, whenChecked, release } = slowDirectory()
    await using kit = await createKit({ users })
    const guess = (password: string) => checkPassword(kit.ctx, 'ana', password)
    const guesses = Promise.all(Array.from({ length: 20 }, (_, n) => guess(`guess ${n}`)))
    await whenChecked(5)
    const right = guess('correct horse')
    release()
    const kinds = (await guesses).map(({ kind }) => kind)
    assert.equal(kinds.filter((kind) => kind === 'failed').length, 5)
    assert.equal(kinds.filter((kind) => kind === 'locked').length, 15)
    assert.equal((await right).kind, 'locked')
    assert.equal(users.checked.filter((name) => name === 'ana').length, 5, 'the directory saw no more guesses than the limit')
  })

  test('lets somebody in whose right password is the last attempt that is left, and those who wait for it', async () => {
    const { users, release } = slowDirectory()
    release()
    await using kit = await createKit({ users })
    for (let i = 0; i < 4; i++) assert.equal((await signIn(kit.browser(), '/', 'ana', 'wrong')).statusCode, 401)
    const answers = await Promise.all(Array.from({ length: 3 }, () => signIn(kit.browser(), '/')))
    assert.deepEqual(
      answers.map(({ statusCode }) => statusCode),
      [303, 303, 303]
    )
  })

  test('refuses a form that was not shown in this browser', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    const start = await browser.get('/')
    const page = await browser.get(String(start.headers.location))
    const form = formOf(page.body)
    const secret = { username: 'ana', password: 'correct horse' }
    assert.equal((await kit.browser().post(form.action, { ...form.fields, ...secret })).statusCode, 403)
    assert.equal((await browser.post(form.action, { ...form.fields, csrfToken: 'x', ...secret })).statusCode, 403)
    assert.equal((await browser.post(form.action, { ...form.fields, ...secret })).statusCode, 303)
  })

  test('takes a resume path once', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    const start = await browser.get('/')
    const path = String(start.headers.location)
    await signIn(browser, path)
    const again = await browser.get(path)
    assert.equal(again.statusCode, 400)
    assert.match(again.body, /already used or is too old/)
  })

  for (const [transactionMinutes, minutes] of [
    [undefined, 30],
    [7, 7]
  ] as const) {
    test(`AC-196 forgets a sign-in page that was open for ${minutes} minutes, ${transactionMinutes === undefined ? 'if nothing else is said' : 'where that is set'}`, async () => {
      await using kit = await createKit(transactionMinutes === undefined ? {} : { transactionMinutes })
      const browser = kit.browser()
      const start = await browser.get('/')
      kit.clock.advance(minutes * 60_000 - 1)
      assert.equal((await browser.get(String(start.headers.location))).statusCode, 200)
      kit.clock.advance(1)
      assert.equal((await browser.get(String(start.headers.location))).statusCode, 400)
    })
  }

  test('makes a new session id and cookie at sign-in, whatever the browser held before', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    browser.cookies.set('PF', 'AAAAAAAAAAAAAAAAAAAAAA')
    await signIn(browser, '/')
    assert.notEqual(browser.cookies.get('PF'), 'AAAAAAAAAAAAAAAAAAAAAA')
  })

  test('the same person proves itself again: the session goes on under a new cookie, a copy of the former one is worth nothing', async () => {
    await using kit = await createKit({ partners: { payroll: {} } })
    const browser = kit.browser()
    await signInTo(kit, browser, 'payroll')
    const [session, former] = [await onlySession(kit), browser.cookies.get('PF') ?? assert.fail('no cookie')]
    kit.clock.advance(60_000)
    const forced = await browser.get(await kit.partner('payroll').ssoRedirect({ forceAuthn: true }))
    await signIn(browser, String(forced.headers.location))
    const now = await onlySession(kit)
    assert.deepEqual([now.id, now.authenticatedAtMs], [session.id, kit.clock.nowMs()])
    assert.notEqual(browser.cookies.get('PF'), former)
    const copy = kit.browser()
    copy.cookies.set('PF', former)
    const asked = await copy.get(await kit.partner('payroll').ssoRedirect())
    assert.match((await copy.get(String(asked.headers.location))).body, /name="password"/)
  })

  test('ends the session of somebody else in the same browser first, then signs in where it stood', async () => {
    await using kit = await createKit({ partners: { payroll: {} } })
    const browser = kit.browser()
    await signInTo(kit, browser, 'payroll', 'ana')
    const former = browser.cookies.get('PF')
    const payroll = kit.partner('payroll')
    const forced = await browser.get(await payroll.ssoRedirect({ forceAuthn: true }))
    const answered = await signIn(browser, String(forced.headers.location), 'ben')
    const run = String(answered.headers.location)
    assert.match(run, /^\/signoff\/run_/)
    assert.deepEqual(await kit.store.findByUser('local:ana'), [])
    const { items } = await kit.store.listRuns({ limit: 1 })
    assert.equal(items[0]?.reason, 'replaced')
    const away = await browser.get(`${run}/go`)
    const told = payroll.readLogoutRequest(String(away.headers.location))
    await browser.get(await payroll.logoutAnswer(told))
    const landed = await browser.get(`${run}/finish`)
    const done = await browser.get(String(landed.headers.location))
    assert.equal(payroll.readResponse(done.body).response.assertion?.authnStatement?.authnInstant.epochMilliseconds, kit.clock.nowMs())
    assert.notEqual(browser.cookies.get('PF'), former)
    assert.equal((await onlySession(kit, 'ben')).username, 'ben')
  })

  test('AC-015 refuses a sign-in with a clear error and an alert when the store is full; sessions that exist stay complete', async () => {
    await using kit = await createKit({ capacity: 1 })
    await signIn(kit.browser(), '/', 'ana')
    const refused = await signIn(kit.browser(), '/', 'ben')
    assert.equal(refused.statusCode, 503)
    assert.match(refused.body, /No more people can sign in/)
    assert.match(refused.body, /CURFEW_SESSION_CAPACITY/)
    assert.equal((await kit.store.findByUser('local:ana')).length, 1)
    assert.ok(kit.logged.some(({ level, fields }) => level === 'error' && fields['code'] === 'CURFEW_SESSION_CAPACITY'))
  })

  test('AC-016 ends the oldest session of a user beyond the limit by a normal run: revoked, and its applications are told', async () => {
    await using kit = await createKit({ sessionsPerUserMax: 2 })
    await signInTo(kit, kit.browser(), 'payroll')
    const oldest = await onlySession(kit)
    for (let i = 0; i < 2; i++) {
      kit.clock.advance(1000)
      await signIn(kit.browser(), '/')
    }
    assert.equal(
      (await kit.store.findByUser('local:ana')).some(({ id }) => id === oldest.id),
      false
    )
    assert.equal((await kit.store.findByUser('local:ana')).length, 2)
    const { items } = await kit.store.listRuns({ limit: 5 })
    assert.deepEqual(
      items.map((run) => [run.reason, run.deliveries.map((d) => d.peerId)]),
      [['session-limit', ['payroll']]]
    )
    assert.equal(await kit.store.isRevoked(oldest.sri, kit.clock.nowMs()), true)
  })

  test('tabs of one browser that all wait for a sign-in get to their applications one after the other, in one session', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    const formFor = async (id: string) => {
      const asked = await browser.get(await kit.partner(id).ssoRedirect())
      return formOf((await browser.get(String(asked.headers.location))).body)
    }
    const forms = [await formFor('payroll'), await formFor('intranet')] as const
    for (const [i, id] of ['payroll', 'intranet'].entries()) {
      const { action, fields } = forms[i] ?? assert.fail()
      const answer = await browser.post(action, { ...fields, username: 'ana', password: 'correct horse' })
      assert.ok(kit.partner(id).readResponse(answer.body).response.assertion)
    }
    const { id } = await onlySession(kit)
    assert.deepEqual((await kit.store.getParticipants(id)).map(({ peerId }) => peerId).toSorted(), ['intranet', 'payroll'])
  })

  test('opens one session when the form is sent twice at once', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    const start = await browser.get('/')
    const form = formOf((await browser.get(String(start.headers.location))).body)
    const fields = { ...form.fields, username: 'ana', password: 'correct horse' }
    const answers = await Promise.all([browser.post(form.action, fields), browser.post(form.action, fields)])
    assert.deepEqual(
      answers.map((answer) => answer.statusCode),
      [303, 303]
    )
    assert.equal((await kit.store.findByUser('local:ana')).length, 1)
  })

  test('writes refused sign-ins of known users to the audit log, and no name that nobody has', async () => {
    await using kit = await createKit()
    await signIn(kit.browser(), '/', 'ana', 'wrong')
    await signIn(kit.browser(), '/', 'hunter2', 'x')
    const audit = await kit.store.listAudit({ limit: 10 })
    assert.deepEqual(
      audit.map(({ event, userKey }) => [event, userKey]),
      [['sign-in.failed', 'local:ana']]
    )
    assert.doesNotMatch(JSON.stringify([audit, kit.logged]), /hunter2|wrong/)
  })
})

suite('session cookies and limits', () => {
  test('AC-122 sets PF HttpOnly with Path=/ and SameSite=Lax, and Secure under https', async () => {
    for (const [baseUrl, secure] of [
      ['http://curfew.test', undefined],
      ['https://curfew.test', true]
    ] as const) {
      await using kit = await createKit({ baseUrl })
      const { cookies } = await signIn(kit.browser(), '/')
      const cookie = cookies.find(({ name }) => name === 'PF')
      assert.match(cookie?.value ?? '', /^[\w-]{22}$/)
      assert.deepEqual([cookie?.path, cookie?.httpOnly, cookie?.sameSite, cookie?.secure, cookie?.maxAge], ['/', true, 'Lax', secure, undefined])
    }
  })

  test('AC-122 sets PF.PERSISTENT for 94608000 seconds when asked for and allowed, Secure under https', async () => {
    for (const [baseUrl, secure] of [
      ['http://curfew.test', undefined],
      ['https://curfew.test', true]
    ] as const) {
      await using kit = await createKit({ baseUrl, sessions: { persistent: true } })
      const { cookies } = await signIn(kit.browser(), '/', 'ana', undefined, { persistent: 'yes' })
      const cookie = cookies.find(({ name }) => name === 'PF.PERSISTENT')
      assert.match(cookie?.value ?? '', /^[\w-]{32}$/)
      assert.deepEqual([cookie?.maxAge, cookie?.httpOnly, cookie?.path, cookie?.secure, cookie?.sameSite], [94_608_000, true, '/', secure, 'Lax'])
      const { cookies: plain } = await signIn(kit.browser(), '/')
      assert.equal(
        plain.find(({ name, value }) => name === 'PF.PERSISTENT' && value !== ''),
        undefined
      )
    }
  })

  test('keeps a persistent session when the browser forgets its session cookie', async () => {
    await using kit = await createKit({ sessions: { persistent: true } })
    const browser = kit.browser()
    await signIn(browser, '/', 'ana', undefined, { persistent: 'yes' })
    browser.cookies.delete('PF')
    assert.match((await browser.get('/')).body, /Signed in as ana/)
    const plain = kit.browser()
    await signIn(plain, '/')
    plain.cookies.delete('PF')
    assert.equal((await plain.get('/')).statusCode, 303)
  })

  test('AC-121 ends at the idle limit of 60 and the maximum of 480 minutes by default', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    await signIn(browser, '/')
    const session = await onlySession(kit)
    assert.equal(session.idleExpiresAtMs - kit.clock.nowMs(), 60 * 60_000)
    assert.equal(session.expiresAtMs - kit.clock.nowMs(), 480 * 60_000)
  })

  test('AC-121 reads -1 as the same as the maximum, and as never', async () => {
    await using kit = await createKit({ sessions: { idleMinutes: -1, maxMinutes: 100 } })
    await signIn(kit.browser(), '/')
    const session = await onlySession(kit)
    assert.equal(session.idleExpiresAtMs, session.expiresAtMs)
    await using endless = await createKit({ sessions: { idleMinutes: 30, maxMinutes: -1 } })
    await signIn(endless.browser(), '/')
    assert.equal((await onlySession(endless)).expiresAtMs, Number.MAX_SAFE_INTEGER)
  })

  test('AC-124 rewrites the last activity only after a quarter of the idle time', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    await signIn(browser, '/')
    const before = await onlySession(kit)
    kit.clock.advance(15 * 60_000 - 1)
    await browser.get('/')
    assert.equal((await onlySession(kit)).lastActivityAtMs, before.lastActivityAtMs)
    kit.clock.advance(1)
    await browser.get('/')
    assert.equal((await onlySession(kit)).lastActivityAtMs, kit.clock.nowMs())
    assert.equal((await onlySession(kit)).idleExpiresAtMs, kit.clock.nowMs() + 60 * 60_000)
  })

  test('AC-120 has authentication sessions on by default', () => {
    assert.equal(configSchema.shape.sessions.parse({ secretFile: 'secret' }).enabled, true)
  })

  test('AC-120 asks every time when authentication sessions are off and the form keeps no state', async () => {
    await using kit = await createKit({ sessions: { enabled: false }, signOn: { sessionState: 'none' } })
    const browser = kit.browser()
    await signInTo(kit, browser, 'payroll')
    const second = await browser.get(await kit.partner('intranet').ssoRedirect())
    const page = await browser.get(String(second.headers.location))
    assert.match(page.body, /type="password"/)
    await signInTo(kit, browser, 'intranet')
    const session = await onlySession(kit)
    assert.equal((await kit.store.getParticipants(session.id)).length, 2)
  })

  test('AC-120 lets the policy of a source override the global one', async () => {
    await using kit = await createKit({ sessions: { enabled: false, sources: { form: { enabled: true } } }, signOn: { sessionState: 'none' } })
    const browser = kit.browser()
    await signInTo(kit, browser, 'payroll')
    assert.equal((await browser.get(await kit.partner('intranet').ssoRedirect())).statusCode, 200)
  })

  for (const [state, sourceId, isReused] of [
    ['none', 'form', false],
    ['none', 'campus', false],
    ['globally', 'form', true],
    ['globally', 'campus', true],
    ['perAdapter', 'form', true],
    ['perAdapter', 'campus', false]
  ] as const) {
    test(`AC-130 with Session State ${state} a session made by ${sourceId} is ${isReused ? '' : 'not '}used by form`, async () => {
      const hub = await createHub({ partners: { payroll: {} }, sessions: { enabled: false }, signOn: { hasForm: true, sessionState: state } })
      await using kit = hub.kit
      const browser = kit.browser()
      if (sourceId === 'form') await signIn(browser, '/')
      else await signInAt(hub, browser)
      assert.deepEqual(
        (await liveSessions(kit)).map((session) => session.sourceId),
        [sourceId]
      )
      const page = await browser.get(await kit.partner('payroll').ssoRedirect())
      assert.equal(page.statusCode, isReused ? 200 : 303)
    })
  }

  test('sends a browser that lost its way back to the sign-off page once', async () => {
    await using kit = await createKit({ partners: { payroll: {} } })
    const browser = kit.browser()
    await signInTo(kit, browser, 'payroll')
    const session = await onlySession(kit)
    await kit.ctx.engine.endSessions({
      scope: { kind: 'session', sessionId: session.id },
      reason: 'admin',
      by: { kind: 'admin', id: 'root' },
      starter: { kind: 'none' },
      browser: 'absent'
    })
    assert.match(String((await browser.get('/')).headers.location), /^\/signoff\/run_/)
    assert.match(String((await browser.get('/')).headers.location), /resume/)
  })

  test('a browser that was not there when an administrator signed it out goes where it is owed at its next visit', async () => {
    await using kit = await createKit({ partners: { payroll: {} } })
    const browser = kit.browser()
    await signInTo(kit, browser, 'payroll')
    const session = await onlySession(kit)
    await kit.ctx.engine.endSessions({
      scope: { kind: 'session', sessionId: session.id },
      reason: 'admin',
      by: { kind: 'admin', id: 'root' },
      starter: { kind: 'none' },
      browser: 'absent'
    })
    const run = String((await browser.get('/')).headers.location)
    const stranger = await kit.browser().get(run)
    assert.doesNotMatch(stranger.body, /http-equiv="refresh"/)
    const page = await browser.get(run)
    assert.ok(page.body.includes(`<meta http-equiv="refresh" content="0;url=${run}/go">`))
    const away = await browser.get(`${run}/go`)
    await browser.get(await kit.partner('payroll').logoutAnswer(kit.partner('payroll').readLogoutRequest(String(away.headers.location))))
    assert.match((await browser.get(run)).body, /You are signed out everywhere/)
  })
})
