import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { stringify } from 'yaml'
import { writeInstallation } from '../../src/cli/commands/init.ts'
import { PlainBrowser } from '../../src/cli/plain-browser.ts'
import { type Server, skipReason, startServer, until } from '../stores/redis/servers.ts'
import { bin } from '../support/bin.ts'
import { freeRange } from '../support/ports.ts'
import { findChromium, launchProfile, noChromium } from './chromium.ts'

const persistentCookie = 'PF.PERSISTENT'

/** Two nodes on one store: every one of them is away at the same time, the store with them. Cookies go to both, as they do behind one name. */
suite('A persistent session when every node is started again', { skip: skipReason }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-persistent-'))
  const nodes: ChildProcess[] = []
  let redis: Server | undefined
  let port = 0

  before(async () => {
    port = await freeRange(4)
    redis = await startServer(['--appendfsync', 'always'])
    await writeInstallation(folder, { baseUrl: urlOf(0), organisation: 'Test', user: 'ana', password: 'ana' })
    await startAll()
  })
  after(async () => {
    await killAll()
    await redis?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  test('AC-123 its cookie alone opens it at either node, and it is signed out like any other', async () => {
    const cookies: string[] = []
    for (const node of [0, 1]) {
      const browser = new PlainBrowser()
      const page = await browser.submit(await browser.open(urlOf(node)), { username: 'ana', password: 'ana', persistent: 'yes' })
      assert.match(page.body, /Signed in as ana/)
      cookies.push(
        browser
          .cookie(urlOf(node))
          .split('; ')
          .find((one) => one.startsWith(`${persistentCookie}=`)) ?? assert.fail('no persistent cookie')
      )
      await browser.close()
    }
    await restartAll()
    const [first = '', second = ''] = cookies
    // What one node gave is taken to the other.
    assert.match(await homeWith(1, first), /Signed in as ana/)
    assert.match(await homeWith(0, second), /Signed in as ana/)
    assert.doesNotMatch(await homeWith(0, `${persistentCookie}=${'x'.repeat(32)}`), /Signed in as/)
    await signOut(0)
    for (const cookie of cookies) assert.doesNotMatch(await homeWith(1, cookie), /Signed in as/)
  })

  test('AC-123 a browser that was closed meanwhile has its profile on the disk, and is signed in when it is opened again', {
    skip: findChromium() === undefined ? noChromium : false
  }, async () => {
    for (const isPersistent of [true, false]) {
      const profile = mkdtempSync(join(folder, 'profile-'))
      {
        await using context = await launchProfile(profile)
        const page = await context.newPage()
        await page.goto(urlOf(0))
        await page.fill('input[name=username]', 'ana')
        await page.fill('input[name=password]', 'ana')
        if (isPersistent) await page.check('input[name=persistent]')
        await page.click('button.primary')
        await page.getByText('Signed in as ana').waitFor()
      }
      if (isPersistent) await restartAll()
      await using again = await launchProfile(profile)
      const kept = (await again.cookies()).map(({ name }) => name)
      assert.ok(!kept.includes('PF'), 'the cookie of the session went with the browser')
      assert.equal(kept.includes(persistentCookie), isPersistent)
      const page = await again.newPage()
      await page.goto(urlOf(1))
      assert.equal((await page.locator('body').innerText()).includes('Signed in as ana'), isPersistent)
    }
  })

  function urlOf(node: number): string {
    return `http://127.0.0.1:${port + 2 * node}/`
  }

  async function homeWith(node: number, cookie: string): Promise<string> {
    return (await fetch(urlOf(node), { headers: { cookie, accept: 'text/html', connection: 'close' }, redirect: 'manual' })).text()
  }

  async function signOut(node: number): Promise<void> {
    const authorization = `Bearer ${readFileSync(join(folder, 'data/admin.token'), 'utf8').trim()}`
    const headers = { authorization, 'content-type': 'application/json', connection: 'close' }
    const body = JSON.stringify({ user: 'ana' })
    const answer = await fetch(`http://127.0.0.1:${port + 2 * node + 1}/v1/logout`, { method: 'POST', headers, body })
    assert.equal(answer.status, 200)
  }

  async function restartAll(): Promise<void> {
    await killAll()
    await redis?.restart()
    await startAll()
  }

  async function killAll(): Promise<void> {
    for (const node of nodes.splice(0)) {
      if (!node.kill('SIGKILL')) continue
      await once(node, 'exit')
    }
  }

  async function startAll(): Promise<void> {
    await Promise.all([0, 1].map(start))
  }

  async function start(node: number): Promise<void> {
    const file = join(folder, `node-${node}.yaml`)
    const own = port + 2 * node
    const config = {
      server: { baseUrl: urlOf(0).slice(0, -1), listen: [`127.0.0.1:${own}`] },
      admin: { listen: [`127.0.0.1:${own + 1}`] },
      saml: { keys: [{ key: 'keys/saml.key.pem', certificate: 'keys/saml.crt.pem' }] },
      sessions: { secretFile: 'keys/session.secret', persistent: true },
      signOn: { users: 'users.yaml' },
      cluster: { node: `node-${node}` },
      store: { kind: 'redis', redis: { copies: 0, nodes: [`redis://127.0.0.1:${redis?.port}`] } }
    }
    writeFileSync(file, stringify(config))
    nodes.push(spawn(process.execPath, [bin, 'start', '--config', file], { stdio: 'ignore' }))
    await until(async () => (await fetch(`${urlOf(node)}pf/heartbeat.ping`, { headers: { connection: 'close' } })).ok, 60_000)
  }
})
