import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createLdapDirectory, type LdapDirectorySettings } from '../../../src/authority/sign-on/ldap-directory.ts'
import { systemClock } from '../../../src/platform/clock.ts'
import { createLdapPool, type LdapPool } from '../../../src/platform/ldap/ldap-pool.ts'
import { systemRandom } from '../../../src/platform/random.ts'
import { noSlapd, people, reader, type Slapd, startSlapd, suffix } from '../../support/slapd.ts'
import { formOf } from '../browser.ts'
import { createKit, type Kit, signIn } from '../kit.ts'

const secret = 'a long and old secret'
const fresh = 'seven wet umbrellas'
const changePage = '/ext/pwdchange/Identify'

/** Rules of the directory, each for one person of its name. */
const rules: Readonly<Record<string, string>> = {
  reset: 'pwdMustChange: TRUE',
  resetElsewhere: 'pwdMustChange: TRUE',
  graced: 'pwdMaxAge: 1\npwdGraceAuthnLimit: 100',
  gracedElsewhere: 'pwdMaxAge: 1\npwdGraceAuthnLimit: 100',
  expired: 'pwdMaxAge: 1',
  locked: 'pwdLockout: TRUE',
  history: 'pwdInHistory: 4',
  young: 'pwdMinAge: 3600',
  short: 'pwdMinLength: 14\npwdCheckQuality: 2'
}

suite('the password policy of an LDAP directory (draft-behera-ldap-password-policy)', { skip: noSlapd, timeout: 300_000 }, () => {
  let slapd: Slapd
  let pool: LdapPool
  let kit: Kit

  before(async () => {
    slapd = await startSlapd()
    for (const [name, text] of Object.entries(rules)) {
      slapd.change(
        `dn: cn=${name},${suffix}\nobjectClass: organizationalRole\nobjectClass: pwdPolicy\ncn: ${name}\npwdAttribute: userPassword\npwdAllowUserChange: TRUE\n${text}\n`
      )
      slapd.change(
        `dn: uid=${name},${people}\nobjectClass: inetOrgPerson\nuid: ${name}\ncn: ${name}\nsn: ${name}\nuserPassword: ${secret}\npwdPolicySubentry: cn=${name},${suffix}\n`
      )
    }
    for (const name of ['reset', 'resetElsewhere']) slapd.change(`dn: uid=${name},${people}\nchangetype: modify\nreplace: pwdReset\npwdReset: TRUE\n`)
    slapd.change(`dn: uid=locked,${people}\nchangetype: modify\nreplace: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z\n`)
    pool = createLdapPool({
      clock: systemClock,
      urls: [slapd.secure],
      startTls: false,
      ca: slapd.ca,
      service: reader,
      connectionsMax: 4,
      connectTimeoutMs: 30_000,
      timeoutMs: 30_000
    })
    kit = await createKit({ users: usersWith('extendedOperation') })
  })
  after(async () => {
    await kit[Symbol.asyncDispose]()
    pool.close()
    await slapd[Symbol.asyncDispose]()
  })

  const usersWith = (passwordChange: LdapDirectorySettings['passwordChange']) =>
    createLdapDirectory(
      { id: 'staff', base: people, filter: '(objectClass=inetOrgPerson)', loginAttributes: ['uid'], attributes: {}, passwordChange },
      { pool, clock: systemClock, random: systemRandom, logger: { info: () => undefined, warn: () => undefined, error: () => undefined } }
    )

  const change = async (username: string, password: string, current = secret) => {
    const browser = kit.browser()
    const form = formOf((await browser.get(changePage)).body)
    return browser.post(form.action, { ...form.fields, username, current, password, repeated: password })
  }
  const live = async (name: string): Promise<number> => (await kit.store.findByUser(`staff:${name}`)).length

  /** Signs in as often as it takes for the directory to answer otherwise than by letting somebody in. */
  const notIn = async (name: string) => {
    for (let i = 0; i < 300; i++) {
      const browser = kit.browser()
      const answer = await signIn(browser, '/', name, secret)
      if (answer.statusCode !== 303) return { browser, answer }
      await pause(100)
    }
    return assert.fail(`${name} was let in for 30 s`)
  }

  for (const name of ['reset', 'graced'] as const) {
    test(`a password that ${name === 'reset' ? 'was reset' : 'is past its time'} leads to the page for a new one, and then in`, async () => {
      const { browser, answer } = await notIn(name)
      assert.equal(answer.statusCode, 200)
      const form = formOf(answer.body)
      assert.equal(form.action, changePage)
      assert.equal(form.fields['isForced'], 'yes')
      assert.equal((await signIn(kit.browser(), '/', name, 'wrong')).statusCode, 401)
      const done = await browser.post(form.action, { ...form.fields, username: name, current: secret, password: fresh, repeated: fresh })
      assert.equal(done.statusCode, 303)
      assert.match((await browser.get('/')).body, new RegExp(`Signed in as ${name}`))
      assert.equal((await signIn(kit.browser(), '/', name, secret)).statusCode, 401)
    })
  }

  for (const [where, passwordChange, isPageThere] of [
    ['the directory takes no changes from here', 'none', true],
    ['people do not change passwords here', 'extendedOperation', false]
  ] as const) {
    test(`where ${where}, a password past its time is good for as long as the directory says; one that was reset is not`, async () => {
      await using elsewhere = await createKit({ users: usersWith(passwordChange), passwords: { change: isPageThere } })
      const dn = `uid=gracedElsewhere,${people}`
      let bound = await pool.asUser((link) => link.bind(dn, secret))
      for (let i = 0; i < 300 && bound === true; i++) {
        await pause(100)
        bound = await pool.asUser((link) => link.bind(dn, secret))
      }
      assert.equal(bound, 'in-grace')
      const browser = elsewhere.browser()
      assert.equal((await signIn(browser, '/', 'gracedElsewhere', secret)).statusCode, 303)
      assert.match((await browser.get('/')).body, /Signed in as gracedElsewhere/)
      assert.equal((await signIn(elsewhere.browser(), '/', 'gracedElsewhere', 'wrong')).statusCode, 401)
      const refused = await signIn(elsewhere.browser(), '/', 'resetElsewhere', secret)
      assert.equal(refused.statusCode, 403)
      assert.match(refused.body, /has to be changed before you can sign in/)
    })
  }

  test('who is locked there, and whose password is over for good, is refused like anybody with a wrong password', async () => {
    const bare = (body: string): string => body.replace(/nonce="[^"]*"|value="[^"]*"|\/idp\/[\w-]{22}|resume=[\w-]{22}/g, '')
    const wrong = await signIn(kit.browser(), '/', 'short', 'wrong')
    assert.equal(wrong.statusCode, 401)
    for (const name of ['locked', 'expired']) {
      const { answer } = await notIn(name)
      assert.equal(answer.statusCode, 401, name)
      assert.equal(bare(answer.body), bare(wrong.body), name)
    }
    assert.equal(await live('locked'), 0)
  })

  test('a new password that is too short, was used before or comes too soon is refused with that reason', async () => {
    assert.match((await change('short', 'thirteen long')).body, /wants a longer password/)
    assert.match((await change('young', fresh)).body, /changed a short time ago/)
    assert.equal((await change('history', fresh)).statusCode, 200)
    const again = await change('history', secret, fresh)
    assert.equal(again.statusCode, 400)
    assert.match(again.body, /used this password before/)
  })
})
