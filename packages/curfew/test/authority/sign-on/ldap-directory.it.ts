import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { directoriesInOrder } from '../../../src/authority/sign-on/directories.ts'
import { createLdapDirectory, type LdapDirectorySettings } from '../../../src/authority/sign-on/ldap-directory.ts'
import { createPasswordEndings } from '../../../src/authority/sign-on/password-endings.ts'
import { issueReset } from '../../../src/authority/sign-on/password-reset.ts'
import type { UserDirectory } from '../../../src/authority/sign-on/user-directory.ts'
import { localDirectory } from '../../../src/authority/sign-on/users.ts'
import { systemClock } from '../../../src/platform/clock.ts'
import type { LdapLink } from '../../../src/platform/ldap/ldap-link.ts'
import { createLdapPool, type LdapPool, type LdapPoolOptions } from '../../../src/platform/ldap/ldap-pool.ts'
import { writeTime } from '../../../src/platform/ldap/time-value.ts'
import { systemRandom } from '../../../src/platform/random.ts'
import { noSlapd, people, reader, type Slapd, startSlapd } from '../../support/slapd.ts'
import { startRelay } from '../../support/tcp-relay.ts'
import { formOf } from '../browser.ts'
import { createFakeClock, type FakeClock } from '../fake-clock.ts'
import { createKit, createLocalUsers, type Kit, type KitOptions, passwords, signIn, signInTo } from '../kit.ts'

const dora = `uid=dora,${people}`
const secret = "dora's long secret"
const fresh = 'seven wet umbrellas'
const changePage = '/ext/pwdchange/Identify'

/** An authority whose people are those of a file and then those of the directory. */
interface World extends AsyncDisposable {
  readonly kit: Kit
  readonly directory: UserDirectory
  readonly clock: FakeClock
  /** What was asked as a user: one entry per password that was looked at. */
  readonly binds: string[]
}

suite('people of an LDAP directory', { skip: noSlapd }, () => {
  let slapd: Slapd
  before(async () => {
    slapd = await startSlapd()
  })
  after(() => slapd[Symbol.asyncDispose]())

  const standard: LdapDirectorySettings = {
    id: 'staff',
    base: people,
    filter: '(objectClass=inetOrgPerson)',
    loginAttributes: ['uid', 'mail'],
    attributes: { mail: 'mail', departmentNumber: 'departments', jpegPhoto: 'photo' },
    passwordChange: 'extendedOperation',
    changed: { attribute: 'pwdChangedTime', syntax: 'generalizedTime', everyMs: 10_000, lookBackMs: 8 * 3_600_000 }
  }

  async function world(
    settings: Partial<LdapDirectorySettings> = {},
    more: { readonly pool?: Partial<LdapPoolOptions>; readonly kit?: KitOptions; readonly tellsChanges?: boolean } = {}
  ): Promise<World> {
    const options: LdapPoolOptions = {
      clock: systemClock,
      urls: [slapd.secure],
      startTls: false,
      ca: slapd.ca,
      service: reader,
      connectionsMax: 4,
      connectTimeoutMs: 400,
      timeoutMs: 400,
      ...more.pool
    }
    const binds: string[] = []
    const pool = watched(createLdapPool(options), binds)
    const clock = more.kit?.clock ?? createFakeClock(Date.now())
    const { changed: _, ...untold } = standard
    const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined }
    const directory = createLdapDirectory(
      { ...(more.tellsChanges === false ? untold : standard), ...settings },
      { pool, clock, random: systemRandom, logger: quiet }
    )
    const users = directoriesInOrder([
      { id: 'local', directory: localDirectory(createLocalUsers(), passwords) },
      { id: 'staff', directory }
    ])
    const kit = await createKit({ users, clock, partners: { payroll: {} }, ...more.kit })
    return {
      kit,
      directory,
      clock,
      binds,
      async [Symbol.asyncDispose]() {
        await kit[Symbol.asyncDispose]()
        pool.close()
      }
    }
  }

  const fields = (password: string, more: Readonly<Record<string, string>> = {}) => ({
    username: 'dora',
    current: secret,
    password,
    repeated: password,
    ...more
  })
  const put = async (kit: Kit, browser: ReturnType<Kit['browser']>, wanted: Readonly<Record<string, string>>) => {
    const form = formOf((await browser.get(changePage)).body)
    return browser.post(form.action, { ...form.fields, ...wanted })
  }

  test('sign in with their password, and their attributes go to applications', async () => {
    await using it = await world()
    for (const name of ['dora', ' DORA ', 'Dora@Example.ORG']) {
      const browser = it.kit.browser()
      assert.equal((await signIn(browser, '/', name, secret)).statusCode, 303, name)
    }
    const sessions = await it.kit.store.findByUser('staff:dora')
    assert.equal(sessions.length, 3)
    assert.deepEqual(
      [sessions[0]?.username, sessions[0]?.sourceId, sessions[0]?.attributes],
      ['Dora', 'form', { mail: ['dora@example.org'], departments: ['7', '12'] }]
    )
    assert.equal((await signIn(it.kit.browser(), '/', 'jürgen', "jürgen's long secret")).statusCode, 303)
    assert.equal((await signIn(it.kit.browser(), '/', 'star*(x)\\y', "star's long secret")).statusCode, 303)
    assert.deepEqual(it.kit.ctx.users.keysFor('Dora'), ['local:dora', 'staff:dora'])
  })

  test('a wrong password and an unknown name are answered alike, and an unknown name costs a question too', async () => {
    await using it = await world()
    const bodies = await Promise.all(
      [
        ['dora', 'wrong'],
        ['nobody', secret]
      ].map(async ([name, password]) => {
        const answered = await signIn(it.kit.browser(), '/', name, password)
        assert.equal(answered.statusCode, 401)
        return answered.body.replace(/nonce="[^"]*"|value="[^"]*"|\/idp\/[\w-]{22}|resume=[\w-]{22}/g, '')
      })
    )
    assert.equal(new Set(bodies).size, 1)
    assert.equal(it.binds.length, 2)
    assert.equal(it.binds.filter((bind) => bind.includes(secret)).length, 0, 'a password is shown for the entry of its name only')
  })

  test('nothing that people type changes the question', async () => {
    await using it = await world()
    for (const name of ['*', 'd*', 'dora)(uid=*', '*)(objectClass=*', 'dora\0', '\\64ora', 'uid=dora', ')(|(uid=dora', 'nobody)(|(uid=dora)']) {
      assert.equal(await it.directory.find(name), undefined, name)
      assert.equal((await signIn(it.kit.browser(), '/', name, secret)).statusCode, 401, name)
    }
  })

  test('an empty password is wrong, and the directory never hears of it', async () => {
    await using it = await world()
    assert.equal((await signIn(it.kit.browser(), '/', 'dora', '')).statusCode, 401)
    assert.deepEqual(it.binds, [])
  })

  test('a name that leads to several people signs nobody in', async () => {
    await using it = await world({ loginAttributes: ['uid', 'sn'] })
    assert.equal((await signIn(it.kit.browser(), '/', 'Example', secret)).statusCode, 401)
    assert.equal((await signIn(it.kit.browser(), '/', 'dora', secret)).statusCode, 303)
  })

  test('a locked account is not asked about: the directory sees no more guesses than the limit', async () => {
    await using it = await world()
    for (let i = 0; i < 5; i++) assert.equal((await signIn(it.kit.browser(), '/', i % 2 === 0 ? 'dora' : 'dora@example.org', 'wrong')).statusCode, 401)
    assert.equal((await signIn(it.kit.browser(), '/', 'dora', secret)).statusCode, 429)
    assert.equal((await signIn(it.kit.browser(), '/', 'dora@example.org', secret)).statusCode, 429, 'by another of the names')
    assert.equal(it.binds.filter((bind) => bind.startsWith(dora)).length, 5)
  })

  test('the file comes first: whom it knows, the directory does not, and is not shown the password', async () => {
    await using it = await world()
    slapd.change(`dn: uid=ana,${people}\nobjectClass: inetOrgPerson\nuid: ana\ncn: Ana\nsn: Ana\nuserPassword: ana of the directory\n`)
    assert.equal((await signIn(it.kit.browser(), '/', 'ana', 'ana of the directory')).statusCode, 401)
    assert.deepEqual(it.binds, [])
    assert.equal((await signIn(it.kit.browser(), '/', 'ana')).statusCode, 303)
    assert.equal((await it.kit.store.findByUser('local:ana')).length, 1)
  })

  test('while the directory is down: a page that says so, nobody is counted, and people of the file get in', async () => {
    await using it = await world({}, { pool: { urls: ['ldaps://127.0.0.1:1'] } })
    for (let i = 0; i < 7; i++) {
      const answered = await signIn(it.kit.browser(), '/', 'dora', secret)
      assert.equal(answered.statusCode, 503)
      assert.match(answered.body, /can not be checked at the moment/)
      assert.doesNotMatch(answered.body, /is not right/)
    }
    assert.equal(await it.kit.store.lockRead('staff:dora', it.clock.nowMs(), 900_000), 0)
    assert.equal(await it.kit.store.lockRead('local:dora', it.clock.nowMs(), 900_000), 0)
    assert.ok(it.kit.logged.some(({ level, fields: logged }) => level === 'error' && logged['event'] === 'users.unavailable'))
    assert.equal((await signIn(it.kit.browser(), '/', 'ana')).statusCode, 303)
    const change = await put(it.kit, it.kit.browser(), fields(fresh))
    assert.equal(change.statusCode, 503)
    assert.deepEqual(await it.kit.ctx.users.changed(), [], 'the watch over the file goes on')
    await assert.rejects(issueReset(it.kit.ctx, 'dora', { kind: 'admin', id: 'cli' }), { code: 'CURFEW_USERS_UNAVAILABLE' })
  })

  test('AC-129 change their password in the directory; the other sessions end, this one goes on', async () => {
    await using it = await world()
    const [here, there] = [it.kit.browser(), it.kit.browser()]
    await signIn(there, '/', 'dora', secret)
    await signIn(here, '/', 'dora', secret)
    it.clock.advance(2_000)
    const weak = await put(it.kit, here, fields('thirteen long', { endOthers: 'yes' }))
    assert.equal(weak.statusCode, 400, 'the directory wants one letter more than we do')
    assert.match(weak.body, /wants a longer password/)
    assert.equal((await put(it.kit, here, fields(fresh, { endOthers: 'yes' }))).statusCode, 200)
    assert.match((await here.get('/')).body, /Signed in as Dora/)
    assert.equal((await there.get('/')).statusCode, 303)
    it.clock.advance(11_000)
    assert.equal(await createPasswordEndings(it.kit.ctx)(), 0, 'what the directory says of it ends nothing more')
    assert.match((await here.get('/')).body, /Signed in as Dora/)
    assert.equal((await signIn(it.kit.browser(), '/', 'dora', secret)).statusCode, 401)
    assert.equal((await signIn(it.kit.browser(), '/', 'dora', fresh)).statusCode, 303)
    slapd.setPassword(dora, secret)
  })

  /** Until the directory would write another time than it has for dora. @returns that time */
  const untilNextSecond = async (directory: UserDirectory): Promise<number> => {
    const changedAtMs = (await directory.find('dora'))?.passwordChangedAtMs ?? assert.fail('the directory tells when')
    while (Date.now() < changedAtMs + 1_000) await new Promise((resolve) => setTimeout(resolve, changedAtMs + 1_000 - Date.now()))
    return changedAtMs
  }
  const isIn = async (browser: ReturnType<Kit['browser']>): Promise<boolean> => /Signed in as Dora/.test((await browser.get('/')).body)

  for (const [apart, clockFrom] of [
    ['the same', () => Date.now()],
    ['that of the directory ahead', (changedAtMs: number) => changedAtMs + 1],
    ['that of the directory behind', () => Date.now() + 600_000]
  ] as const) {
    for (const endOthers of [true, false]) {
      test(`AC-129 a change here ${endOthers ? 'ends the others' : 'leaves the others alone, as the person wanted'}, now and later, at each node; clock: ${apart}`, async () => {
        slapd.setPassword(dora, secret)
        await using asked = await world()
        const clock = createFakeClock(clockFrom(await untilNextSecond(asked.directory)))
        await using it = await world({}, { kit: { clock } })
        await using node = await world({}, { kit: { clock, store: it.kit.store } })
        const [here, there] = [it.kit.browser(), it.kit.browser()]
        await signIn(there, '/', 'dora', secret)
        clock.advance(1)
        await signIn(here, '/', 'dora', secret)
        clock.advance(1)
        const rounds = [createPasswordEndings(it.kit.ctx), createPasswordEndings(node.kit.ctx)]
        for (const endOutdated of rounds) assert.equal(await endOutdated(), 0)
        assert.equal((await put(it.kit, here, fields(fresh, endOthers ? { endOthers: 'yes' } : {}))).statusCode, 200)
        // A round that comes while the clock stands still asks nothing; afterwards each sees what the directory says.
        clock.advance(11_000)
        for (const endOutdated of rounds) assert.equal(await endOutdated(), 0, 'what the directory says of it ends nothing more')
        assert.deepEqual([await isIn(here), await isIn(there)], [true, !endOthers])
        // Somebody else changes it again.
        await untilNextSecond(it.directory)
        slapd.setPassword(dora, secret)
        const told = (await it.directory.find('dora'))?.passwordChangedAtMs ?? assert.fail()
        clock.advance(11_000)
        const [session] = await it.kit.store.findByUser('staff:dora')
        const isOutdated = (session?.authenticatedAtMs ?? 0) < told
        await rounds[1]?.()
        assert.equal(await isIn(here), !isOutdated)
        if (apart !== 'that of the directory behind') assert.ok(isOutdated)
      })
    }
  }

  test('AC-129 whoever knows the password changes it twice in a second and keeps the other sessions: the reset of the help desk ends them', async () => {
    slapd.setPassword(dora, secret)
    await using it = await world()
    const browser = it.kit.browser()
    await signIn(browser, '/', 'dora', secret)
    const changedAt = async () => (await it.directory.find('dora'))?.passwordChangedAtMs ?? assert.fail('the directory tells when')
    let current = secret
    for (let tries = 0; ; tries++) {
      assert.ok(tries < 20, 'two changes take no second')
      await untilNextSecond(it.directory)
      const times: number[] = []
      for (const password of [`${fresh} ${tries}`, `${fresh} again ${tries}`]) {
        assert.equal((await put(it.kit, browser, fields(password, { current }))).statusCode, 200)
        current = password
        times.push(await changedAt())
      }
      if (times[0] === times[1]) break
    }
    it.clock.advance(11_000)
    assert.equal(await createPasswordEndings(it.kit.ctx)(), 0)
    await untilNextSecond(it.directory)
    slapd.setPassword(dora, secret)
    it.clock.advance(11_000)
    assert.equal(await createPasswordEndings(it.kit.ctx)(), 1)
    assert.equal(await isIn(browser), false)
  })

  test('AC-129 a reset where endings are off leaves the sessions alone, also later', async () => {
    slapd.setPassword(dora, secret)
    await using it = await world({}, { kit: { passwords: { endsSessions: false } } })
    await untilNextSecond(it.directory)
    const browser = it.kit.browser()
    await signIn(browser, '/', 'dora', secret)
    const { url } = await issueReset(it.kit.ctx, 'dora', { kind: 'admin', id: 'cli' })
    it.clock.advance(1)
    const form = formOf((await it.kit.browser().get(url)).body)
    const stranger = it.kit.browser()
    const own = formOf((await stranger.get(url)).body)
    assert.equal((await stranger.post(form.action, { ...own.fields, password: fresh, repeated: fresh })).statusCode, 200)
    it.clock.advance(11_000)
    assert.equal(await createPasswordEndings(it.kit.ctx)(), 0)
    assert.equal(await isIn(browser), true)
    slapd.setPassword(dora, secret)
  })

  test('AC-129 a directory that goes away right after the change: it is changed, and that is what is said, written down and done', async () => {
    await using own = await startSlapd()
    await using it = await world({}, { pool: { urls: [own.secure], ca: own.ca } })
    const [here, there] = [it.kit.browser(), it.kit.browser()]
    await signIn(there, '/', 'dora', secret)
    await signIn(here, '/', 'dora', secret)
    it.clock.advance(1)
    const { users } = it.kit.ctx
    const { setPassword } = users
    Object.assign(users, {
      setPassword: async (...change: Parameters<typeof setPassword>) => {
        const result = await setPassword(...change)
        await own.stop()
        return result
      }
    })
    const answered = await put(it.kit, here, fields(fresh, { endOthers: 'yes' }))
    assert.equal(answered.statusCode, 200)
    assert.match(answered.body, /Your password is changed/)
    assert.match(answered.body, /One other session was ended/)
    assert.deepEqual([await isIn(here), await isIn(there)], [true, false])
    assert.ok((await it.kit.store.listAudit({ limit: 20 })).some(({ event }) => event === 'password.changed'))
    await own.start()
    assert.equal((await signIn(it.kit.browser(), '/', 'dora', fresh)).statusCode, 303)
    it.clock.advance(11_000)
    assert.equal(await createPasswordEndings(it.kit.ctx)(), 0, 'the time that could not be read is that of this change')
    assert.equal(await isIn(here), true)
  })

  const modifying = Buffer.from('1.3.6.1.4.1.4203.1.11.1')
  for (const way of ['a change', 'a reset'] as const) {
    test(`AC-129 the answer to ${way} is lost: whether the password is the new one is found out`, async () => {
      slapd.setPassword(dora, secret)
      await using relay = await startRelay(Number(new URL(slapd.plain).port))
      await using it = await world({}, { pool: { urls: [`ldap://127.0.0.1:${relay.port}`] } })
      const browser = it.kit.browser()
      const { url } = await issueReset(it.kit.ctx, 'dora', { kind: 'admin', id: 'cli' })
      it.clock.advance(1)
      const form = formOf((await browser.get(way === 'a reset' ? url : changePage)).body)
      relay.loseAnswerTo(modifying)
      const answered = await browser.post(form.action, { ...form.fields, ...fields(fresh) })
      assert.equal(answered.statusCode, 200, answered.body)
      assert.match(answered.body, /Your password is changed/)
      assert.equal((await signIn(it.kit.browser(), '/', 'dora', fresh)).statusCode, 303)
      slapd.setPassword(dora, secret)
    })

    test(`AC-129 the answer to ${way} is lost, and the directory with it: the page says what to try, and the audit log that nobody knows`, async () => {
      slapd.setPassword(dora, secret)
      await using relay = await startRelay(Number(new URL(slapd.plain).port))
      await using it = await world({}, { pool: { urls: [`ldap://127.0.0.1:${relay.port}`] } })
      const browser = it.kit.browser()
      const { url } = await issueReset(it.kit.ctx, 'dora', { kind: 'admin', id: 'cli' })
      it.clock.advance(1)
      const form = formOf((await browser.get(way === 'a reset' ? url : changePage)).body)
      relay.loseAnswerTo(modifying, true)
      const answered = await browser.post(form.action, { ...form.fields, ...fields(fresh) })
      assert.equal(answered.statusCode, 503)
      assert.match(answered.body, /no answer came back. Try to sign in with it/)
      const last = (await it.kit.store.listAudit({ limit: 20 })).at(-1)?.event
      assert.equal(last, way === 'a reset' ? 'password.reset-unanswered' : 'password.change-unanswered')
      slapd.setPassword(dora, secret)
    })
  }

  test('AC-129 a code of the help desk is good for the password that was there: also where the directory tells no times', async () => {
    slapd.setPassword(dora, secret)
    await using it = await world({}, { tellsChanges: false })
    const { url } = await issueReset(it.kit.ctx, 'dora', { kind: 'admin', id: 'cli' })
    const path = url.slice(it.kit.ctx.baseUrl.length)
    it.clock.advance(1)
    assert.equal((await put(it.kit, it.kit.browser(), fields('thirteen long'))).statusCode, 400)
    assert.equal((await it.kit.browser().get(path)).statusCode, 200, 'a change that was refused is none')
    assert.equal((await put(it.kit, it.kit.browser(), fields(fresh))).statusCode, 200)
    assert.equal((await it.kit.browser().get(path)).statusCode, 400)
    slapd.setPassword(dora, secret)
  })

  test('AC-129 get a new one by a code, which the service account sets', async () => {
    await using it = await world()
    await signInAs(it.kit)
    const { url } = await issueReset(it.kit.ctx, 'DORA@example.org', { kind: 'admin', id: 'cli' })
    it.clock.advance(2_000)
    const browser = it.kit.browser()
    const form = formOf((await browser.get(url)).body)
    const refused = await browser.post(form.action, { ...form.fields, password: 'thirteen long', repeated: 'thirteen long' })
    assert.match(refused.body, /wants a longer password/)
    const again = formOf(refused.body)
    assert.equal((await browser.post(again.action, { ...again.fields, password: fresh, repeated: fresh })).statusCode, 200)
    assert.deepEqual(await it.kit.store.findByUser('staff:dora'), [])
    assert.equal((await signIn(it.kit.browser(), '/', 'dora', fresh)).statusCode, 303)
    slapd.setPassword(dora, secret)
  })

  const signInAs = (kit: Kit, password = secret) => signIn(kit.browser(), '/', 'dora', password)

  test('a password that is changed with other tools ends the sessions from before, and tells their applications', async () => {
    await using it = await world()
    const browser = it.kit.browser()
    await signIn(browser, '/', 'dora', secret)
    await browser.get(await it.kit.partner('payroll').ssoRedirect())
    const endOutdated = createPasswordEndings(it.kit.ctx)
    await endOutdated()
    assert.equal((await it.kit.store.findByUser('staff:dora')).length, 1, 'older changes end nothing')
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    it.clock.advance(1_100)
    slapd.setPassword(dora, fresh)
    assert.equal(await endOutdated(), 0, 'the directory is asked as often as configured')
    it.clock.advance(10_000)
    assert.equal(await endOutdated(), 1)
    const { items } = await it.kit.store.listRuns({ limit: 1 })
    assert.deepEqual([items[0]?.reason, items[0]?.deliveries.map(({ peerId }) => peerId)], ['password-change', ['payroll']])
    await signInAs(it.kit, fresh)
    it.clock.advance(10_000)
    assert.equal(await endOutdated(), 0, 'the session of the new password goes on')
    slapd.setPassword(dora, secret)
  })

  test('a change while the authority was away is found when it is back', async () => {
    await using before = await world()
    await signInAs(before.kit)
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    slapd.setPassword(dora, fresh)
    await before.kit.stop()
    await using back = await world({}, { kit: { after: before.kit } })
    assert.equal(await createPasswordEndings(back.kit.ctx)(), 1)
    slapd.setPassword(dora, secret)
  })

  test('many changes at once are all found, although the directory gives few in one answer', async () => {
    const nowMs = Math.floor(Date.now() / 1000) * 1000
    const person = (i: number) => `dn: uid=many-${i},${people}
objectClass: inetOrgPerson
objectClass: posixAccount
uid: many-${i}
cn: Many
sn: Many
gidNumber: 1
homeDirectory: /
uidNumber: ${writeTime('fileTime', nowMs - i * 1_000)}
`
    slapd.change(Array.from({ length: 600 }, (_, i) => person(i)).join('\n'))
    await using it = await world({ filter: '(sn=Many)', changed: { attribute: 'uidNumber', syntax: 'fileTime', everyMs: 10_000, lookBackMs: 3_600_000 } })
    const found = await it.directory.changed()
    assert.equal(new Set(found.map(({ userKey }) => userKey)).size, 600)
    assert.equal(found.find(({ username }) => username === 'many-7')?.passwordChangedAtMs, nowMs - 7_000)
  })

  test('a new password that the directory demands is chosen before the sign-in goes on', async () => {
    slapd.change(`dn: ${dora}\nchangetype: modify\nreplace: description\ndescription: TRUE\n`)
    await using it = await world({ mustChangeAttribute: 'description' })
    const browser = it.kit.browser()
    const asked = await signIn(browser, '/', 'dora', secret)
    assert.match(asked.body, /Before you go on, choose a new password/)
    assert.deepEqual(await it.kit.store.findByUser('staff:dora'), [])
    const form = formOf(asked.body)
    const answered = await browser.post(form.action, { ...form.fields, ...fields(fresh, { username: 'Dora' }) })
    assert.equal(answered.statusCode, 303)
    assert.equal((await it.kit.store.findByUser('staff:dora')).length, 1)
    slapd.setPassword(dora, secret)
    slapd.change(`dn: ${dora}\nchangetype: modify\ndelete: description\n`)
  })

  test('where passwords are not changed from here, nothing is asked of the directory, and the page says so', async () => {
    await using it = await world({ passwordChange: 'none' })
    const answered = await put(it.kit, it.kit.browser(), fields(fresh))
    assert.equal(answered.statusCode, 403)
    assert.match(answered.body, /can not be changed here/)
    await assert.rejects(issueReset(it.kit.ctx, 'dora', { kind: 'admin', id: 'cli' }), { code: 'CURFEW_USERS_UNWRITABLE' })
    assert.equal((await signIn(it.kit.browser(), '/', 'dora', secret)).statusCode, 303)
  })

  test('an application gets an assertion for a person of the directory', async () => {
    await using it = await world()
    const browser = it.kit.browser()
    const first = await browser.get(await it.kit.partner('payroll').ssoRedirect())
    const answered = await signIn(browser, String(first.headers.location), 'dora', secret)
    assert.ok(it.kit.partner('payroll').readResponse(answered.body).response.assertion)
    await signInTo(it.kit, it.kit.browser(), 'payroll', 'ana')
  })
})

/** A pool that notes which passwords were looked at. */
function watched(pool: LdapPool, binds: string[]): LdapPool {
  return {
    ...pool,
    asUser: (work) =>
      pool.asUser((link) =>
        work(
          new Proxy(link, {
            get(target, key, receiver): unknown {
              if (key !== 'bind') return Reflect.get(target, key, receiver)
              const bind: LdapLink['bind'] = (dn, password) => {
                binds.push(`${dn} ${password}`)
                return target.bind(dn, password)
              }
              return bind
            }
          })
        )
      )
  }
}
