import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createPasswordEndings } from '../../../src/authority/sign-on/password-endings.ts'
import { issueReset } from '../../../src/authority/sign-on/password-reset.ts'
import { type Browser, formOf } from '../browser.ts'
import { createKit, type Kit, signIn, signInTo } from '../kit.ts'

const fresh = 'seven wet umbrellas'

async function issue(kit: Kit, username = 'ana'): Promise<string> {
  const { url } = await issueReset(kit.ctx, username, { kind: 'admin', id: 'cli' })
  return url.slice(kit.ctx.baseUrl.length)
}

async function reset(browser: Browser, path: string, password = fresh) {
  const form = formOf((await browser.get(path)).body)
  return browser.post(form.action, { ...form.fields, password, repeated: password })
}

suite('a password reset by a code of the help desk', () => {
  test('AC-129 sets the password and ends every session of the user; their applications are told', async () => {
    await using kit = await createKit()
    await signInTo(kit, kit.browser(), 'payroll')
    kit.clock.advance(1_000)
    const path = await issue(kit)
    const answered = await reset(kit.browser(), path)
    assert.equal(answered.statusCode, 200)
    assert.match(answered.body, /Your password is changed/)
    assert.deepEqual(await kit.store.findByUser('local:ana'), [])
    const { items } = await kit.store.listRuns({ limit: 5 })
    assert.deepEqual(
      items.map(({ reason, deliveries }) => [reason, deliveries.map(({ peerId }) => peerId)]),
      [['password-change', ['payroll']]]
    )
    assert.equal((await signIn(kit.browser(), '/')).statusCode, 401)
    assert.equal((await signIn(kit.browser(), '/', 'ana', fresh)).statusCode, 303)
  })

  test('AC-129 leaves sessions alone where the option is off', async () => {
    await using kit = await createKit({ passwords: { endsSessions: false } })
    await signIn(kit.browser(), '/')
    kit.clock.advance(1_000)
    await reset(kit.browser(), await issue(kit))
    assert.equal(await createPasswordEndings(kit.ctx)(), 0)
    assert.equal((await kit.store.findByUser('local:ana')).length, 1)
  })

  test('lets somebody in again who was locked out', async () => {
    await using kit = await createKit()
    for (let i = 0; i < 5; i++) await signIn(kit.browser(), '/', 'ana', 'wrong')
    await reset(kit.browser(), await issue(kit))
    assert.equal((await signIn(kit.browser(), '/', 'ana', fresh)).statusCode, 303)
  })

  test('shows whose password it is, and uses nothing up by being looked at', async () => {
    await using kit = await createKit()
    const path = await issue(kit)
    for (let i = 0; i < 3; i++) assert.match((await kit.browser().get(path)).body, /User name: ana/)
    assert.equal((await reset(kit.browser(), path)).statusCode, 200)
  })

  test('takes a code once, of many uses at the same time exactly one', async () => {
    await using kit = await createKit()
    const path = await issue(kit)
    const browsers = Array.from({ length: 20 }, () => kit.browser())
    const forms = await Promise.all(browsers.map(async (browser) => formOf((await browser.get(path)).body)))
    const answers = await Promise.all(
      browsers.map((browser, i) => browser.post(path, { ...forms[i]?.fields, password: `${fresh} ${i}`, repeated: `${fresh} ${i}` }))
    )
    assert.equal(answers.filter(({ statusCode }) => statusCode === 200).length, 1)
    assert.equal(answers.filter(({ body }) => /was used before/.test(body)).length, 19)
    assert.equal((await kit.browser().get(path)).statusCode, 400)
  })

  test('takes no code past its time, of another shape, or from before a later change', async () => {
    await using kit = await createKit({ passwords: { resetHours: 1 } })
    const old = await issue(kit)
    kit.clock.advance(3_600_000)
    for (const path of [old, '/ext/pwdreset/Identify?code=x', `/ext/pwdreset/Identify?code=${'A'.repeat(32)}`]) {
      const answered = await kit.browser().get(path)
      assert.equal(answered.statusCode, 400, path)
      assert.match(answered.body, /is too old/)
    }
    const [first, second] = [await issue(kit), await issue(kit)]
    kit.clock.advance(1_000)
    assert.equal((await reset(kit.browser(), second)).statusCode, 200)
    assert.equal((await kit.browser().get(first)).statusCode, 400, 'the password was changed since')
  })

  test('holds the new password against the rules and keeps the code meanwhile', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    const path = await issue(kit)
    const short = await reset(browser, path, 'short')
    assert.equal(short.statusCode, 400)
    assert.match(short.body, /too short/)
    assert.equal((await reset(browser, path)).statusCode, 200)
  })

  test('gives another code when the directory does not take the password after all', async () => {
    await using kit = await createKit()
    const path = await issue(kit)
    const { setPassword } = kit.ctx.users
    Object.assign(kit.ctx.users, { setPassword: async () => 'policy' })
    const browser = kit.browser()
    const refused = await reset(browser, path)
    assert.match(refused.body, /does not accept this password/)
    assert.equal((await kit.browser().get(path)).statusCode, 400, 'the first one is used up')
    Object.assign(kit.ctx.users, { setPassword })
    const form = formOf(refused.body)
    assert.equal((await browser.post(form.action, { ...form.fields, password: fresh, repeated: fresh })).statusCode, 200)
  })

  test('is refused from another browser than the one that shows the form', async () => {
    await using kit = await createKit()
    const path = await issue(kit)
    const form = formOf((await kit.browser().get(path)).body)
    assert.equal((await kit.browser().post(form.action, { ...form.fields, password: fresh, repeated: fresh })).statusCode, 403)
    assert.equal((await signIn(kit.browser(), '/')).statusCode, 303)
  })

  test('takes a code that is typed', async () => {
    await using kit = await createKit()
    const path = await issue(kit)
    const { body } = await kit.browser().get('/ext/pwdreset/Identify')
    assert.match(body, /<form method="get" action="\/ext\/pwdreset\/Identify"><label for="code">/)
    assert.match((await kit.browser().get(path)).body, /New password again/)
  })

  test('is issued for people who have a password here only, and the code is kept nowhere', async () => {
    await using kit = await createKit()
    for (const name of ['nobody', 'gone']) await assert.rejects(issue(kit, name), { code: 'CURFEW_USERS_UNKNOWN' })
    const code = new URL(await issue(kit), 'http://x').searchParams.get('code') ?? ''
    const audit = await kit.store.listAudit({ limit: 10 })
    assert.deepEqual(
      audit.map(({ event, actor }) => [event, actor.kind]),
      [['password.reset-issued', 'admin']]
    )
    assert.equal(JSON.stringify([audit, kit.logged]).includes(code), false)
    await using off = await createKit({ passwords: { change: false } })
    await assert.rejects(issue(off), { code: 'CURFEW_USERS_UNWRITABLE' })
  })
})
