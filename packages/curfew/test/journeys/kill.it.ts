import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { DemoApplications } from '../../../../demo/start.ts'
import type { EndedView, RunView } from '../../src/admin/schemas.ts'
import { PlainBrowser } from '../../src/cli/plain-browser.ts'
import { install, type Installation } from './installation.ts'
import type { Death } from '../support/mortal.ts'
import { freeRange } from '../support/ports.ts'
import { bin } from '../support/bin.ts'

const dies = new URL('../support/dies.ts', import.meta.url).href
const port = await freeRange(60)
const baseUrl = `http://curfew.localhost:${port}`
const folder = mkdtempSync(join(tmpdir(), 'curfew-kill-'))
const admin = `http://127.0.0.1:${port + 1}`
/** Those that are told from server to server: the run comes to its end without a browser. */
const peers = ['intranet', 'legacy', 'wiki']
/** Points of one logout, in its order. `after` a message was sent: the application has ended its session, its answer is lost. */
const points: readonly Extract<Death, { readonly call: string }>[] = [
  // Between the end of the session and the first delivery.
  { phase: 'after', call: 'endSession', nth: 1 },
  { phase: 'after', call: 'claimEffects', nth: 1 },
  { phase: 'after', call: 'commitRun', nth: 1 },
  { phase: 'before', call: 'send to intranet', nth: 1 },
  { phase: 'after', call: 'send to intranet', nth: 1 },
  { phase: 'before', call: 'send to wiki', nth: 1 },
  { phase: 'after', call: 'send to wiki', nth: 1 },
  { phase: 'after', call: 'send to legacy', nth: 1 },
  { phase: 'before', call: 'commitRun', nth: 3 },
  { phase: 'before', call: 'sign receipt', nth: 1 },
  { phase: 'after', call: 'sign receipt', nth: 1 },
  // Nothing has happened, and nobody was told that it had.
  { phase: 'before', call: 'endSession', nth: 1 }
]

suite('kill -9 of `curfew start` at points of a logout', () => {
  let installation: Installation
  let applications: DemoApplications
  let config: string
  let server: ChildProcess

  before(async () => {
    installation = await install(folder, baseUrl, port + 20)
    applications = installation.applications
    config = installation.configFor('curfew', port)
    server = await start(points[0])
  })
  after(async () => {
    server.kill('SIGKILL')
    await applications.close()
    rmSync(folder, { recursive: true, force: true })
  })

  for (const [i, death] of points.entries()) {
    test(`${death.phase} ${death.call} ${death.nth}: no delivery is lost`, async () => {
      const said = await signIn()
      const died = once(server, 'exit')
      const asked = askForLogout().catch(() => undefined)
      assert.deepEqual(await died, [null, 'SIGKILL'])
      const [told] = (await asked)?.ended ?? []
      // What is left goes on at once; the process dies at the next point of the next logout.
      server = await start(points[i + 1])
      if (death.phase === 'before' && death.call === 'endSession') {
        assert.equal(told, undefined)
        for (const id of peers) assert.equal(lastEvent(id), 'signed-in', `${id} was told of an ending that did not happen`)
        await askForLogout()
      }
      const run = await latestRun((r) => r.state === 'done' && r.hasReceipt)
      // An ending that was answered is the one that is there.
      if (told !== undefined) assert.equal(run.id, told.run)
      assert.deepEqual(run.deliveries.map((d) => d.peer).sort(), [...peers].sort())
      assert.equal(run.verdict, 'all-ended')
      for (const id of peers) {
        const news = application(id).journal.entries().slice(said.get(id))
        assert.deepEqual(
          news.map(({ event }) => event),
          ['signed-out'],
          id
        )
      }
    })
  }

  function application(id: string): DemoApplications['applications'][number] {
    return applications.applications.find((app) => app.id === id) ?? assert.fail(id)
  }

  function lastEvent(id: string): string | undefined {
    return application(id).journal.entries().at(-1)?.event
  }

  /** Signs in to all that are told; returns how long their journals are by then. */
  async function signIn(): Promise<ReadonlyMap<string, number>> {
    const browser = new PlainBrowser()
    for (const [i, id] of peers.entries()) {
      const page = await browser.open(`${application(id).url}/`)
      if (i === 0) await browser.submit(page, { username: 'ana', password: 'ana' })
      assert.equal(lastEvent(id), 'signed-in', id)
    }
    await browser.close()
    return new Map(peers.map((id) => [id, application(id).journal.entries().length]))
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

  async function start(death: Death | undefined): Promise<ChildProcess> {
    const env = {
      ...process.env,
      NODE_TEST_CONTEXT: undefined,
      NODE_COMPILE_CACHE: join(folder, 'compiled'),
      ...(death === undefined ? {} : { CURFEW_TEST_DEATH: JSON.stringify(death) })
    }
    const child = spawn(process.execPath, ['--import', dies, bin, 'start', '--config', config], { stdio: 'ignore', env })
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
