import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { parse, stringify } from 'yaml'
import { writeInstallation } from '../../src/cli/commands/init.ts'
import type { Composition } from '../../src/cli/compose.ts'
import { createServer } from '../../src/cli/embed.ts'
import type { ConfigInput } from '../../src/config/schema.ts'
import { type Browser, createBrowser } from '../authority/browser.ts'
import { signIn } from '../authority/kit.ts'
import { freeRange } from '../support/ports.ts'

const port = await freeRange(2)
const baseUrl = `http://127.0.0.1:${port}`
const heartbeat = `${baseUrl}/pf/heartbeat.ping`
const minuteMs = 60_000

/** What the configuration says holds in a server that was put together from it, on a store on the disk. */
suite('a whole server from its configuration', () => {
  let folder = ''
  let server: Composition | undefined
  const logged: { readonly level: string; readonly fields: Readonly<Record<string, unknown>> }[] = []

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'curfew-whole-'))
    await writeInstallation(folder, { baseUrl, organisation: 'Test', user: 'ana', password: 'ana' })
    const file = join(folder, 'users.yaml')
    const { users } = parse(await readFile(file, 'utf8')) as { users: readonly { readonly username: string }[] }
    // Ben has the same password.
    await writeFile(file, stringify({ users: [...users, { ...users[0], username: 'ben' }] }))
  })
  after(async () => {
    await server?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  /** Stops the server that is there and puts together another one on the same store. */
  async function put(changes: Partial<ConfigInput>): Promise<Composition> {
    await server?.stop()
    server = undefined
    const note = (level: string) => (fields: object) => void logged.push({ level, fields: fields as Readonly<Record<string, unknown>> })
    const logger = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') }
    server = await createServer(
      {
        admin: { listen: [`127.0.0.1:${port + 1}`] },
        saml: { keys: [{ key: 'keys/saml.key.pem', certificate: 'keys/saml.crt.pem' }] },
        signOn: { users: 'users.yaml' },
        ...changes,
        server: { baseUrl, listen: [`127.0.0.1:${port}`], ...changes.server },
        sessions: { secretFile: 'keys/session.secret', ...changes.sessions }
      },
      { folder, logger: logger as unknown as NonNullable<Parameters<typeof createServer>[1]['logger']> }
    )
    return server
  }

  async function putAndStart(changes: Partial<ConfigInput>): Promise<{ readonly started: Composition; readonly browser: () => Browser }> {
    const started = await put(changes)
    await started.start()
    return { started, browser: () => createBrowser(started.authority) }
  }

  const logout = async (user: string): Promise<void> => {
    const authorization = `Bearer ${(await readFile(join(folder, 'data/admin.token'), 'utf8')).trim()}`
    const headers = { authorization, 'content-type': 'application/json' }
    const answer = await fetch(`http://127.0.0.1:${port + 1}/v1/logout`, { method: 'POST', headers, body: JSON.stringify({ user }) })
    assert.equal(answer.status, 200)
  }

  test('AC-155 the heartbeat is not 200 before the server is ready, then OK, and JSON where monitoring is on', async () => {
    const made = await put({})
    assert.equal((await made.authority.inject('/pf/heartbeat.ping')).statusCode, 503)
    await made.start()
    const beat = await fetch(heartbeat)
    assert.deepEqual([beat.status, await beat.text()], [200, 'OK'])
    await putAndStart({ server: { baseUrl, heartbeatMonitoring: true } })
    const { items } = (await (await fetch(heartbeat)).json()) as { items: readonly object[] }
    assert.ok('live_sessions' in (items[0] ?? {}))
  })

  test('the help desk of brand.help stands on every page of a sign-in and a sign-off, and is no script', async () => {
    const { browser } = await putAndStart({ brand: { help: 'mailto:help@example.org' } })
    const ana = browser()
    const desk = /<footer><ul><li><a href="mailto:help@example\.org">Help<\/a><\/li>/
    const start = await ana.get('/')
    assert.match((await ana.get(String(start.headers.location))).body, desk)
    await signIn(ana, '/', 'ana', 'ana')
    for (const path of ['/signoff', '/signoff/sessions', '/nothing-here']) assert.match((await ana.get(path)).body, desk, path)
    await logout('ana')
    assert.match((await browser().get('/signoff/done')).body, desk)
    await assert.rejects(put({ brand: { help: 'javascript:alert(1)' } }), /CURFEW_CONFIG_VALUE {2}brand\.help/)
  })

  test('AC-015 beyond store.capacity a sign-in is refused with a clear error and an alert, and who is signed in stays so', async () => {
    const { browser, started } = await putAndStart({ store: { capacity: 1 } })
    const ana = browser()
    await signIn(ana, '/', 'ana', 'ana')
    const refused = await signIn(browser(), '/', 'ben', 'ana')
    assert.equal(refused.statusCode, 503)
    assert.match(refused.body, /No more people can sign in.*CURFEW_SESSION_CAPACITY/s)
    assert.ok(logged.some(({ level, fields }) => level === 'error' && fields['code'] === 'CURFEW_SESSION_CAPACITY'))
    assert.match((await ana.get('/')).body, /Signed in as ana/)
    assert.equal((await started.store.describe()).liveSessions, 1)
    await logout('ana')
    assert.equal((await signIn(browser(), '/', 'ben', 'ana')).statusCode, 303, 'there is room again')
    await logout('ben')
  })

  test('AC-014 the registry remembers an ended session for sessions.registryMinutes', async () => {
    const { browser, started } = await putAndStart({
      sessions: { secretFile: 'keys/session.secret', registryMinutes: 600, idleMinutes: 5, maxMinutes: 5, revocationMinutes: 5 }
    })
    await signIn(browser(), '/', 'ana', 'ana')
    const [session] = await started.store.findByUser('local:ana')
    assert.ok(session !== undefined)
    await logout('ana')
    const endedAtMs = (await started.store.getSession(session.id))?.end?.atMs ?? assert.fail('it has ended')
    await started.store.purge(endedAtMs + 600 * minuteMs - 1, Number.MAX_SAFE_INTEGER, 1_000)
    assert.equal((await started.store.getSession(session.id))?.id, session.id)
    await started.store.purge(endedAtMs + 600 * minuteMs + 1, Number.MAX_SAFE_INTEGER, 1_000)
    assert.equal(await started.store.getSession(session.id), undefined)
  })

  test('AC-123 a persistent session goes on after the server was restarted, also when the browser was', async () => {
    const sessions = { secretFile: 'keys/session.secret', persistent: true }
    const { browser } = await putAndStart({ sessions })
    const before = browser()
    await signIn(before, '/', 'ana', 'ana', { persistent: 'yes' })
    const { browser: again } = await putAndStart({ sessions })
    const alone = again()
    alone.cookies.set('PF.PERSISTENT', before.cookies.get('PF.PERSISTENT') ?? assert.fail('no persistent cookie'))
    assert.match((await alone.get('/')).body, /Signed in as ana/)
    const other = again()
    other.cookies.set('PF.PERSISTENT', 'x'.repeat(32))
    assert.equal((await other.get('/')).statusCode, 303, 'another value opens nothing')
  })
})
