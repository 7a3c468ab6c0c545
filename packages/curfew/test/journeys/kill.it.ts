import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { DemoApplications } from '../../../../demo/start.ts'
import type { EndedView, RunView } from '../../src/admin/schemas.ts'
import { PlainBrowser } from '../../src/cli/plain-browser.ts'
import { install, type Installation } from './installation.ts'
import { freeRange } from '../support/ports.ts'

const bin = fileURLToPath(new URL('../../bin/curfew.js', import.meta.url))
const port = await freeRange(60)
const baseUrl = `http://curfew.localhost:${port}`
const folder = mkdtempSync(join(tmpdir(), 'curfew-kill-'))
const admin = `http://127.0.0.1:${port + 1}`
/** Milliseconds after the logout was asked for at which the server is killed; 0: with the request itself. crash-process.it.ts has every point. */
const moments = [0, 2, 5, 10, 20, 40]

suite('kill -9 of the server in the middle of a logout', () => {
  let installation: Installation
  let applications: DemoApplications
  let config: string
  let server: ChildProcess

  before(async () => {
    installation = await install(folder, baseUrl, port + 20)
    applications = installation.applications
    config = installation.configFor('curfew', port)
    server = await start()
  })
  after(async () => {
    server.kill('SIGKILL')
    await applications.close()
    rmSync(folder, { recursive: true, force: true })
  })

  for (const afterMs of moments) {
    test(`${afterMs} ms after it was asked for: no delivery is lost`, async () => {
      await signInEverywhere()
      const asked = askForLogout().catch(() => undefined)
      await sleep(afterMs)
      server.kill('SIGKILL')
      await once(server, 'exit')
      const [told] = (await asked)?.ended ?? []
      server = await start()
      // Killed before the transaction nothing has happened, and whoever asked knows that it was not answered: asks again.
      await askForLogout()
      const run = await latestRun((r) =>
        r.deliveries.filter((d) => d.channels.some((channel) => channel.startsWith('server/'))).every((d) => d.state === 'final')
      )
      // An ending that was answered is the one that is there.
      if (told !== undefined) assert.equal(run.id, told.run)
      assert.deepEqual(run.deliveries.map((d) => d.peer).sort(), applications.applications.map(({ id }) => id).sort())
      assert.equal(run.deliveries.find((d) => d.peer === 'device')?.code, 'CURFEW_RUN_OFFLINE_GRANT')
      for (const id of ['intranet', 'legacy', 'wiki']) {
        const outcome = run.deliveries.find((d) => d.peer === id)?.outcome
        assert.ok(outcome === 'ended' || outcome === 'already-ended', `${id}: ${outcome ?? 'open'}`)
        assert.equal(
          applications.applications
            .find((app) => app.id === id)
            ?.journal.entries()
            .at(-1)?.event,
          'signed-out',
          id
        )
      }
    })
  }

  async function signInEverywhere(): Promise<void> {
    const browser = new PlainBrowser()
    const sites = applications.applications.filter(({ keepsAccess }) => keepsAccess !== true)
    for (const [i, app] of sites.entries()) {
      const page = await browser.open(`${app.url}/`)
      if (i === 0) await browser.submit(page, { username: 'ana', password: 'ana' })
    }
    for (const { id, url, keepsAccess } of applications.applications) {
      if (keepsAccess !== true) continue
      const connected = await browser.submit(await browser.open(`${url}/connect`), { choice: 'allow' })
      assert.match(connected.body, /Connected as/, id)
    }
    await browser.close()
    for (const app of sites) assert.equal(app.journal.entries().at(-1)?.event, 'signed-in', app.id)
  }

  async function askForLogout(): Promise<EndedView> {
    return (await (await call('/v1/logout', { user: 'ana' })).json()) as EndedView
  }

  async function latestRun(until: (run: RunView) => boolean): Promise<RunView> {
    for (let i = 0; i < 100; i++) {
      const { items } = (await (await call('/v1/runs?limit=1')).json()) as { items: RunView[] }
      if (items[0] !== undefined && until(items[0])) return items[0]
      await sleep(100)
    }
    throw new Error('the run did not come to its end')
  }

  function call(path: string, body?: object): Promise<Response> {
    return installation.ask(admin, path, body)
  }

  async function start(): Promise<ChildProcess> {
    const child = spawn(process.execPath, [bin, 'start', '--config', config], { stdio: 'ignore' })
    // Only a server that gave up is no server: a loaded machine may take its time.
    while (child.exitCode === null && child.signalCode === null) {
      const isUp = await fetch(`${admin}/metrics`).then(
        (answer) => answer.ok,
        () => false
      )
      if (isUp) return child
      await sleep(50)
    }
    throw new Error('the server did not start')
  }
})
