import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { directoryChecks } from '../../src/cli/doctor-directory.ts'
import { directory } from '../../src/config/directory-schema.ts'
import { noSlapd, people, reader, type Slapd, startSlapd } from '../support/slapd.ts'

suite('curfew doctor about a directory', { skip: noSlapd }, () => {
  let slapd: Slapd
  before(async () => {
    slapd = await startSlapd()
    slapd.setPassword(`uid=dora,${people}`, "dora's long secret")
  })
  after(() => slapd[Symbol.asyncDispose]())

  const check = async (change: object = {}) => {
    const settings = {
      id: 'staff',
      urls: [slapd.secure],
      ca: slapd.caFile,
      bindDn: reader.dn,
      bindPassword: reader.password,
      base: people,
      filter: '(uid=dora)',
      timeoutSeconds: 1,
      connectTimeoutSeconds: 1
    }
    const checks = await directoryChecks(directory.parse({ ...settings, passwordChanged: {}, ...change }))
    return checks.map(({ verdict, what, why }) => `${verdict} ${what}: ${why}`)
  }

  test('all is well', async () => {
    const [first, second, ...others] = await check()
    assert.match(first ?? '', /^ok staff: ldaps:\/\/127\.0\.0\.1:\d+: answers in \d+ ms, one person found$/)
    assert.deepEqual([second, others], ['ok staff: pwdChangedTime: can be read', []])
  })

  for (const [what, change, text] of [
    ['a server that is down', { urls: ['ldaps://127.0.0.1:1'] }, /^fail .*ECONNREFUSED.*CURFEW_USERS_UNAVAILABLE/],
    ['a certificate that nobody vouches for', { ca: undefined }, /^fail .*certificate/],
    ['a service account that is not accepted', { bindPassword: 'wrong' }, /^fail .*does not accept the service account/],
    ['a base that is not there', { base: 'ou=nobody,dc=example,dc=org' }, /^fail .*CURFEW_USERS_UNAVAILABLE/],
    ['nobody below the base', { filter: '(uid=nobody)' }, /^warn .*nobody is there/],
    ['a filter that the directory does not understand', { filter: '(=)' }, /^fail /],
    ['a missing file of certificates', { ca: '/nowhere/ca.pem' }, /^fail .*CURFEW_CONFIG_FILE/]
  ] as const) {
    test(what, async () => assert.match((await check(change))[0] ?? '', text))
  }

  test('an instant that is not there, or not written that way', async () => {
    assert.match((await check({ filter: '(uid=jürgen)' }))[1] ?? '', /^warn .*ends no session/)
    assert.match((await check({ passwordChanged: { attribute: 'mail' } }))[1] ?? '', /^fail .*dora@example.org is no generalizedTime/)
    assert.match((await check({ loginAttributes: ['employeeNumber'] }))[1] ?? '', /^warn .*no readable employeeNumber/)
  })
})
