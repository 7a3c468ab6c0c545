import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import type { Composition } from '../../src/cli/compose.ts'
import { createServer } from '../../src/cli/embed.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { makeKeyPair } from '../authority/key-pairs.ts'
import { createBrowser, formOf } from '../authority/browser.ts'
import { signIn } from '../authority/kit.ts'
import { freeRange } from '../support/ports.ts'
import { noSlapd, people, reader, type Slapd, startSlapd } from '../support/slapd.ts'

const dora = `uid=dora,${people}`
const secret = "dora's long secret"
const fresh = 'seven dry umbrellas'
const token = 'a token of this test'

suite('a whole server with a directory and no users file', { skip: noSlapd }, () => {
  let slapd: Slapd
  let server: Composition
  let folder = ''
  let adminUrl = ''

  before(async () => {
    slapd = await startSlapd()
    folder = await mkdtemp(join(tmpdir(), 'curfew-ldap-'))
    const own = makeKeyPair('curfew')
    await writeFile(join(folder, 'key.pem'), own.key.export({ type: 'pkcs8', format: 'pem' }))
    await writeFile(join(folder, 'cert.pem'), own.certificatePem)
    await writeFile(join(folder, 'secret'), Buffer.alloc(32, 7).toString('base64'))
    const port = await freeRange(2)
    adminUrl = `http://127.0.0.1:${port + 1}`
    server = await createServer(
      {
        server: { baseUrl: `http://127.0.0.1:${port}`, listen: [`127.0.0.1:${port}`] },
        admin: { listen: [`127.0.0.1:${port + 1}`], token },
        store: { kind: 'memory' },
        saml: { keys: [{ key: 'key.pem', certificate: 'cert.pem', algorithm: 'ecdsa-sha256' }] },
        sessions: { secretFile: 'secret' },
        signOn: {
          directories: [
            {
              id: 'staff',
              urls: [slapd.secure],
              ca: slapd.caFile,
              bindDn: reader.dn,
              bindPassword: '${env:LDAP_PASSWORD}',
              base: people,
              loginAttributes: ['uid', 'mail'],
              passwordChange: 'extendedOperation',
              passwordChanged: { everySeconds: 2 }
            }
          ]
        }
      },
      { folder, logger: silentLogger, environment: { LDAP_PASSWORD: reader.password } }
    )
    await server.start()
  })
  after(async () => {
    await server.stop()
    await slapd[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  const live = async (): Promise<number> => (await server.store.findByUser('staff:dora')).length
  const until = async (wanted: number): Promise<void> => {
    for (let i = 0; i < 600 && (await live()) !== wanted; i++) await new Promise((resolve) => setTimeout(resolve, 100))
    assert.equal(await live(), wanted)
  }

  test('somebody of the directory signs in', async () => {
    const browser = createBrowser(server.authority)
    assert.equal((await signIn(browser, '/', 'dora@example.org', secret)).statusCode, 303)
    assert.match((await browser.get('/')).body, /Signed in as Dora/)
    assert.equal((await signIn(createBrowser(server.authority), '/', 'dora', 'wrong')).statusCode, 401)
  })

  test('a password that is changed with other tools ends the session', async () => {
    await until(1)
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    slapd.setPassword(dora, 'seven wet umbrellas')
    await until(0)
    assert.equal((await server.store.listRuns({ limit: 1 })).items[0]?.reason, 'password-change')
    assert.equal((await signIn(createBrowser(server.authority), '/', 'dora', 'seven wet umbrellas')).statusCode, 303)
  })

  test('an administrator hands over a link, and the new password counts', async () => {
    const asked = await fetch(`${adminUrl}/v1/users/dora/password-reset`, { method: 'POST', headers: { authorization: `Bearer ${token}` } })
    const { url, user } = (await asked.json()) as { url: string; user: string }
    assert.equal(user, 'Dora')
    const browser = createBrowser(server.authority)
    const form = formOf((await browser.get(url)).body)
    assert.equal((await browser.post(form.action, { ...form.fields, password: fresh, repeated: fresh })).statusCode, 200)
    assert.equal((await signIn(createBrowser(server.authority), '/', 'dora', fresh)).statusCode, 303)
    const unknown = await fetch(`${adminUrl}/v1/users/nobody/password-reset`, { method: 'POST', headers: { authorization: `Bearer ${token}` } })
    assert.equal(unknown.status, 404)
  })

  test('while the directory is stopped the page says so, sessions go on, and it needs nobody when it is back', async () => {
    const browser = createBrowser(server.authority)
    await signIn(browser, '/', 'dora', fresh)
    await slapd.stop()
    const answered = await signIn(createBrowser(server.authority), '/', 'dora', fresh)
    assert.equal(answered.statusCode, 503)
    assert.match(answered.body, /can not be checked at the moment/)
    assert.match((await browser.get('/')).body, /Signed in as Dora/)
    await slapd.start()
    assert.equal((await signIn(createBrowser(server.authority), '/', 'dora', fresh)).statusCode, 303)
  })
})
