import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { after, before, suite, test } from 'node:test'
import { createServer } from 'node:tls'
import { systemClock } from '../../../src/platform/clock.ts'
import { openLdapLink } from '../../../src/platform/ldap/ldap-link.ts'
import { createLdapPool, type LdapPool, type LdapPoolOptions } from '../../../src/platform/ldap/ldap-pool.ts'
import { makeCertificate } from '../../support/certificates.ts'
import { answers, noSlapd, people, reader, type Slapd, startSlapd } from '../../support/slapd.ts'
import { startRelay } from '../../support/tcp-relay.ts'

const dora = `uid=dora,${people}`
const secret = "dora's long secret"
const times = { connectTimeoutMs: 400, timeoutMs: 400 }

suite('connections to an LDAP directory', { skip: noSlapd }, () => {
  let slapd: Slapd
  before(async () => {
    slapd = await startSlapd()
  })
  after(() => slapd[Symbol.asyncDispose]())

  async function withPool<T>(options: Partial<LdapPoolOptions>, use: (pool: LdapPool) => Promise<T>): Promise<T> {
    const pool = createLdapPool({
      clock: systemClock,
      urls: [slapd.secure],
      startTls: false,
      ca: slapd.ca,
      service: reader,
      connectionsMax: 4,
      ...times,
      ...options
    })
    try {
      return await use(pool)
    } finally {
      pool.close()
    }
  }
  const names = (pool: LdapPool): Promise<readonly unknown[]> =>
    pool.asService(async (link) => (await link.search(people, { filter: '(uid=dora)', attributes: ['uid'], entriesMax: 5 })).map(({ uid }) => uid))
  const fails = (options: Partial<LdapPoolOptions>, message: RegExp): Promise<void> =>
    withPool(options, (pool) => assert.rejects(names(pool), { name: 'LdapFailure', message }))

  for (const [what, options] of [
    ['ldaps', () => ({ urls: [slapd.secure] })],
    ['ldap with StartTLS', () => ({ urls: [slapd.plain], startTls: true })],
    ['plain ldap', () => ({ urls: [slapd.plain] })]
  ] as const) {
    test(`${what}: finds people, and tells a right password from a wrong one`, () =>
      withPool(options(), async (pool) => {
        assert.deepEqual(await names(pool), ['Dora'])
        assert.equal(await pool.asUser((link) => link.bind(dora, secret)), true)
        assert.equal(await pool.asUser((link) => link.bind(dora, 'wrong')), false)
        assert.deepEqual(await names(pool), ['Dora'], 'as the service account again')
      }))
  }

  for (const code of [19, 32, 48, 49, 53])
    test(`a bind that is answered with ${code} is refused: nobody else's sign-in is concerned`, () =>
      withPool({}, async (pool) => {
        assert.equal(await pool.asUser((link) => link.bind(`cn=code ${code},${answers}`, secret)), false)
        assert.equal(await pool.asUser((link) => link.bind(dora, secret)), true)
      }))

  test('a directory that is busy has not said that the password is wrong', () =>
    withPool({}, (pool) =>
      assert.rejects(
        pool.asUser((link) => link.bind(`cn=code 51,${answers}`, secret)),
        { name: 'LdapFailure' }
      )
    ))

  test('neither ldaps nor StartTLS goes on with a certificate of somebody else', async () => {
    const other = await makeCertificate({ name: [{ CN: ['Another authority'] }], isAuthority: true })
    await fails({ ca: other.pem }, /certificate/)
    await fails({ ca: other.pem, urls: [slapd.plain], startTls: true }, /certificate/)
  })

  test('does not take a certificate for another host', async () => {
    const authority = await makeCertificate({ name: [{ CN: ['Authority'] }], isAuthority: true })
    const foreign = await makeCertificate({ name: [{ CN: ['other'] }], by: authority, alternative: [{ type: 'dns', value: 'other.test' }] })
    const server = createServer({ cert: foreign.pem, key: foreign.keyPem })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    try {
      await fails({ ca: authority.pem, urls: [`ldaps://127.0.0.1:${(server.address() as AddressInfo).port}`] }, /ERR_TLS_CERT_ALTNAME_INVALID/)
    } finally {
      server.close()
    }
  })

  test('says no password in the clear where StartTLS is wanted, also after the connection broke', async () => {
    await using relay = await startRelay(Number(new URL(slapd.plain).port))
    const link = await openLdapLink({ url: `ldap://127.0.0.1:${relay.port}`, startTls: true, ca: slapd.ca, ...times }, systemClock)
    assert.equal(await link.bind(dora, secret), true)
    relay.cut()
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.equal(link.isOpen, false)
    await assert.rejects(link.bind(dora, secret), { name: 'LdapFailure' })
    assert.equal(relay.connections, 1, 'the library did not connect again by itself')
    assert.equal(relay.sent().includes(secret), false)
    await using open = await startRelay(Number(new URL(slapd.plain).port))
    const plain = await openLdapLink({ url: `ldap://127.0.0.1:${open.port}`, startTls: false, ...times }, systemClock)
    await plain.bind(dora, secret)
    plain.close()
    assert.equal(open.sent().includes(secret), true, 'without TLS it would have been seen here')
  })

  test('never sends an empty password: a directory would take it for a visit without a name', async () => {
    await using relay = await startRelay(Number(new URL(slapd.plain).port))
    const link = await openLdapLink({ url: `ldap://127.0.0.1:${relay.port}`, startTls: false, ...times }, systemClock)
    await assert.rejects(link.bind(dora, ''), { name: 'LdapFailure' })
    await assert.rejects(link.bind('', secret), { name: 'LdapFailure' })
    link.close()
    assert.equal(relay.sent().length, 0)
  })

  test('a service account that is not accepted is a failure, not a wrong password', () =>
    fails({ service: { ...reader, password: 'wrong' } }, /service account/))

  test('a server that is down, or never says a word, is a failure within its time', async () => {
    await using silent = await startRelay()
    const startedMs = performance.now()
    await fails({ urls: ['ldap://127.0.0.1:1'] }, /ECONNREFUSED/)
    await fails({ urls: [`ldap://127.0.0.1:${silent.port}`] }, /time/i)
    await fails({ urls: [`ldap://127.0.0.1:${silent.port}`], startTls: true }, /time/i)
    await fails({ urls: [`ldaps://127.0.0.1:${silent.port}`] }, /time/i)
    assert.ok(performance.now() - startedMs < 4_000)
  })

  test('asks the next address where the first can not be reached', () =>
    withPool({ urls: ['ldaps://127.0.0.1:1', slapd.secure] }, async (pool) => assert.deepEqual(await names(pool), ['Dora'])))

  test('a hung server lets nobody wait longer than the time for a place', async () => {
    await using silent = await startRelay()
    await withPool({ urls: [`ldap://127.0.0.1:${silent.port}`], connectionsMax: 2 }, async (pool) => {
      const startedMs = performance.now()
      const results = await Promise.allSettled(Array.from({ length: 40 }, () => names(pool)))
      assert.ok(results.every(({ status }) => status === 'rejected'))
      assert.ok(performance.now() - startedMs < 3_000)
    })
  })

  test('uses few connections for many, and every one gets its own answer', async () => {
    await using relay = await startRelay(Number(new URL(slapd.plain).port))
    await withPool({ urls: [`ldap://127.0.0.1:${relay.port}`], connectionsMax: 3, timeoutMs: 5_000 }, async (pool) => {
      const answers = await Promise.all(
        Array.from({ length: 60 }, (_, i) => (i % 3 === 0 ? names(pool) : pool.asUser((link) => link.bind(dora, i % 3 === 1 ? secret : 'wrong'))))
      )
      answers.forEach((answer, i) => assert.deepEqual(answer, [['Dora'], true, false][i % 3]))
      assert.ok(relay.atOnceMax <= 3, String(relay.atOnceMax))
      assert.ok(relay.connections <= 3, 'connections are used again')
    })
  })

  test('goes on after the server was started again', () =>
    withPool({}, async (pool) => {
      assert.deepEqual(await names(pool), ['Dora'])
      await slapd.stop()
      await assert.rejects(names(pool), { name: 'LdapFailure' })
      await slapd.start()
      assert.deepEqual(await names(pool), ['Dora'])
      assert.equal(await pool.asUser((link) => link.bind(dora, secret)), true)
    }))

  test('follows no reference to another server', async () => {
    await using trap = await startRelay()
    slapd.change(
      `dn: cn=elsewhere,${people}\nobjectClass: referral\nobjectClass: extensibleObject\ncn: elsewhere\nref: ldap://127.0.0.1:${trap.port}/ou=people,dc=evil,dc=test\n`
    )
    await withPool({}, async (pool) => {
      const found = await pool.asService((link) => link.search(people, { filter: '(objectClass=inetOrgPerson)', attributes: ['uid'], entriesMax: 10 }))
      assert.equal(found.length, 3)
      const below = pool.asService((link) => link.search(`cn=elsewhere,${people}`, { filter: '(objectClass=*)', attributes: ['uid'], entriesMax: 10 }))
      await assert.rejects(below, { name: 'LdapFailure', message: /refers to another server/ })
      assert.equal(await pool.asUser((link) => link.bind(`uid=x,cn=elsewhere,${people}`, secret)), false)
    })
    assert.equal(trap.connections, 0)
  })
})
