import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { DemoApplications } from '../../../../demo/start.ts'
import type { RunView, SessionView } from '../../src/admin/schemas.ts'
import { Cable } from '../../src/cli/cable.ts'
import { type Page, PlainBrowser } from '../../src/cli/plain-browser.ts'
import { bucketTags } from '../../src/stores/redis/slots.ts'
import { openDatabase, prepare } from '../../src/stores/sqlite/driver.ts'
import { type Server, skipReason, startServer, until } from '../stores/redis/servers.ts'
import { freeRange } from '../support/ports.ts'
import { install, type Installation } from './installation.ts'
import { bin } from '../support/bin.ts'

type StoreKind = 'redis' | 'sqlite'

/** One region: one process on a store of its own, and the wire that leads to it. */
interface Region {
  readonly group: string
  readonly port: number
  readonly adminUrl: string
  /** What it has logged. */
  said(): string
  process: ChildProcess
}

/** Two regions behind one address that leads to one of them. */
class World {
  readonly folder = mkdtempSync(join(tmpdir(), 'curfew-regions-'))
  readonly kind: StoreKind
  readonly replicate: object
  readonly base: number
  readonly baseUrl: string
  readonly regions: Region[] = []
  readonly cables: Cable[] = []
  servers: readonly Server[] = []
  installation!: Installation
  applications!: DemoApplications
  /** The region that browsers and applications reach. */
  #here = 0
  readonly #front: Cable

  constructor(kind: StoreKind, base: number, replicate: object) {
    this.kind = kind
    this.base = base
    this.replicate = replicate
    this.baseUrl = `http://curfew.localhost:${base}`
    this.#front = new Cable(() => this.region(this.#here).port)
  }

  async start(): Promise<void> {
    if (this.kind === 'redis') this.servers = await Promise.all([startServer(), startServer()])
    this.installation = await install(this.folder, this.baseUrl, this.base + 20)
    this.applications = this.installation.applications
    for (const i of [0, 1]) {
      const cable = new Cable(() => this.#linkPort(i))
      await cable.listen(this.#cablePort(i))
      this.cables.push(cable)
    }
    const started = await Promise.all([this.startRegion(0), this.startRegion(1)])
    this.regions.push(...started)
    await this.#front.listen(this.base)
  }

  async stop(): Promise<void> {
    for (const region of this.regions) region.process.kill('SIGKILL')
    for (const cable of [...this.cables, this.#front]) cable.close()
    await this.applications.close()
    await Promise.all(this.servers.map((server) => server.stop()))
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** From now on the address leads to this region, for open connections as well. */
  async goTo(i: number): Promise<void> {
    this.#here = i
    this.#front.drop()
    await sleep(50)
  }

  region(i: number): Region {
    const region = this.regions[i]
    assert.ok(region !== undefined)
    return region
  }

  async startRegion(i: number): Promise<Region> {
    const port = this.base + 1 + 2 * i
    const group = ['berlin', 'paris'][i] ?? ''
    const server = this.servers[i]
    const file = this.installation.configFor(group, port, {
      cluster: {
        node: `${group}-1`,
        group,
        mode: 'regions',
        groups: [0, 1].map((n) => ({ id: ['berlin', 'paris'][n], links: [`http://127.0.0.1:${this.#cablePort(n)}`] })),
        listen: [`127.0.0.1:${this.#linkPort(i)}`],
        replicate: this.replicate
      },
      store:
        server === undefined
          ? { kind: 'sqlite', file: `data/${group}.db` }
          : { kind: 'redis', redis: { copies: 0, nodes: [`redis://127.0.0.1:${server.port}`] } }
    })
    const child = spawn(process.execPath, [bin, 'start', '--config', file], { stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (said += text))
    const adminUrl = `http://127.0.0.1:${port + 1}`
    await until(async () => {
      if (child.exitCode !== null) throw new Error(said)
      return fetch(`${this.#url(port)}/pf/heartbeat.ping`).then(
        ({ ok }) => ok,
        () => false
      )
    }, 20_000)
    return { group, port, adminUrl, said: () => said, process: child }
  }

  async kill(i: number): Promise<void> {
    const { process: child } = this.region(i)
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  async again(i: number): Promise<void> {
    this.regions[i] = await this.startRegion(i)
  }

  async sessions(i: number, state: 'live' | 'ended'): Promise<readonly SessionView[]> {
    return ((await (await this.ask(i, `/v1/sessions?state=${state}&limit=200`)).json()) as { items: SessionView[] }).items
  }

  async runs(i: number): Promise<readonly RunView[]> {
    return ((await (await this.ask(i, '/v1/runs?limit=200')).json()) as { items: RunView[] }).items
  }

  ask(i: number, path: string, body?: object): Promise<Response> {
    return this.installation.ask(this.region(i).adminUrl, path, body)
  }

  /** The revocation list as the store of a region holds it. */
  async revoked(i: number): Promise<readonly string[]> {
    const server = this.servers[i]
    if (server !== undefined) return [...((await server.command('ZRANGE', `curfew:{${bucketTags(64)[0]}}feed`, '0', '-1')) as string[])].sort()
    const db = openDatabase(join(this.folder, 'data', `${this.region(i).group}.db`), { readOnly: true, timeout: 1_000 })
    const rows = prepare<{ readonly sri: string }>(db, 'SELECT sri FROM revocation ORDER BY sri').all()
    db.close()
    return rows.map(({ sri }) => sri)
  }

  app(id: string): DemoApplications['applications'][number] {
    const found = this.applications.applications.find((app) => app.id === id)
    assert.ok(found !== undefined, id)
    return found
  }

  /** Opens an application; where it asks for a password, ana gives hers. */
  async signIn(browser: PlainBrowser, id: string): Promise<Page> {
    const page = await browser.open(`${this.app(id).url}/`)
    return page.body.includes('type="password"') ? browser.submit(page, { username: 'ana', password: 'ana' }) : page
  }

  lastOf(id: string): string | undefined {
    return this.app(id).journal.entries().at(-1)?.event
  }

  #cablePort(i: number): number {
    return this.base + 10 + i
  }

  #linkPort(i: number): number {
    return this.base + 14 + i
  }

  #url(port: number): string {
    return `http://127.0.0.1:${port}`
  }
}

function regionsOn(kind: StoreKind, base: number): void {
  suite(`two regions, each on ${kind}`, { skip: kind === 'redis' && skipReason }, () => {
    const world = new World(kind, base, {})
    before(() => world.start())
    after(() => world.stop())

    test('AC-008 AC-174 signed in in one region, an application signs in in the other without a password, and a sign-out there ends all', async () => {
      const browser = new PlainBrowser()
      await world.goTo(0)
      await world.signIn(browser, 'payroll')
      assert.equal(world.lastOf('payroll'), 'signed-in')
      await until(async () => (await world.sessions(1, 'live')).length === 1)
      await world.goTo(1)
      for (const id of ['intranet', 'wiki']) {
        const page = await browser.open(`${world.app(id).url}/`)
        assert.doesNotMatch(page.body, /type="password"/, id)
        assert.equal(world.lastOf(id), 'signed-in', id)
      }
      await world.ask(1, '/v1/logout', { user: 'ana' })
      await until(async () => ['intranet', 'wiki'].every((id) => world.lastOf(id) === 'signed-out'))
      await until(async () => (await world.sessions(0, 'ended')).length === 1)
      const [run] = await world.runs(0)
      assert.equal(run?.reason, 'admin', 'the run of the other region is there to look at')
      await until(
        async () =>
          (await world.runs(0))[0]?.deliveries.find(({ peer }) => peer === 'wiki')?.outcome === 'ended' ||
          (await world.runs(1))[0]?.deliveries.find(({ peer }) => peer === 'wiki')?.outcome === 'ended'
      )
      for (const here of [0, 1]) {
        await world.goTo(here)
        // Whoever comes back first sees what became of the sign-out; nobody is signed in by the session that ended.
        const page = await browser.open(`${world.app('intranet').url}/`)
        assert.doesNotMatch(page.body, /Signed in as/, `region ${here} refuses the ended session`)
      }
      await browser.close()
    })

    test('AC-176 a sign-in that was begun in one region is finished in the other', async () => {
      const browser = new PlainBrowser()
      await world.goTo(0)
      const form = await browser.open(`${world.app('intranet').url}/`)
      assert.match(form.body, /type="password"/)
      await world.goTo(1)
      await browser.submit(form, { username: 'ana', password: 'ana' })
      assert.equal(world.lastOf('intranet'), 'signed-in')
      await browser.close()
      await endAll(world)
    })

    test('AC-193 the link is cut, both regions end sessions, it heals: both hold the union of what was revoked, and nothing is served that ended', async () => {
      const browsers = [new PlainBrowser(), new PlainBrowser(), new PlainBrowser()]
      await world.goTo(0)
      for (const browser of browsers) await world.signIn(browser, 'payroll')
      await until(async () => (await world.sessions(1, 'live')).length === 3)
      const live = (await world.sessions(0, 'live')).map(({ id }) => id)
      const before = await world.revoked(0)
      for (const cable of world.cables) cable.cut()
      await world.ask(0, `/v1/sessions/${live[0]}/logout`, {})
      await world.ask(1, `/v1/sessions/${live[1]}/logout`, {})
      await sleep(500)
      assert.equal((await world.sessions(0, 'live')).length, 2)
      assert.equal((await world.sessions(1, 'live')).length, 2)
      assert.notDeepEqual(await world.revoked(0), await world.revoked(1))
      for (const cable of world.cables) cable.heal()
      await until(async () => (await world.sessions(0, 'live')).length === 1 && (await world.sessions(1, 'live')).length === 1, 20_000)
      await until(async () => (await world.revoked(0)).length === before.length + 2 && (await world.revoked(1)).length === before.length + 2, 20_000)
      assert.deepEqual(await world.revoked(0), await world.revoked(1))
      for (const browser of browsers) await browser.close()
      await endAll(world)
    })

    test('AC-192 a node that comes back has every revocation of the other region from its first answer on', async () => {
      await world.goTo(0)
      const browser = new PlainBrowser()
      await world.signIn(browser, 'payroll')
      await world.kill(1)
      await world.ask(0, '/v1/logout', { user: 'ana' })
      const there = await world.revoked(0)
      await world.again(1)
      assert.deepEqual(await world.revoked(1), there)
      await browser.close()
      await endAll(world)
    })

    test('a region is killed again and again while the other one works: nothing is passed over and nothing is done twice', async () => {
      await world.goTo(0)
      const browser = new PlainBrowser()
      const before = (await world.sessions(0, 'ended')).length
      for (const afterMs of [0, 40, 150, 400, 900]) {
        await world.kill(1)
        const one = new PlainBrowser()
        await world.signIn(one, 'intranet')
        await world.again(1)
        const two = new PlainBrowser()
        await world.signIn(two, 'wiki')
        await sleep(afterMs)
        await Promise.all([one.close(), two.close()])
      }
      await until(async () => (await world.sessions(1, 'live')).length === 10, 20_000)
      const ids = (await world.sessions(0, 'live')).map(({ id }) => id)
      await world.ask(0, '/v1/logout', { user: 'ana' })
      await until(async () => (await world.sessions(1, 'ended')).length === before + 10, 20_000)
      const runsOf = async (i: number) => (await world.runs(i)).filter(({ session }) => ids.includes(session)).map(({ id }) => id)
      await until(async () => (await runsOf(1)).length === 10, 20_000)
      assert.deepEqual((await runsOf(1)).sort(), (await runsOf(0)).sort())
      await browser.close()
    })
  })
}

/** Ends every session, each by a region that knows it, and waits until both know. */
async function endAll(world: World): Promise<void> {
  await until(async () => {
    for (const i of [0, 1]) await world.ask(i, '/v1/logout', { user: 'ana' })
    return (await world.sessions(0, 'live')).length === 0 && (await world.sessions(1, 'live')).length === 0
  }, 20_000)
}

suite('two regions that do not fetch transactions from each other', () => {
  let world: World
  before(async () => {
    world = new World('sqlite', await freeRange(60), { fetchTransactions: false, sessions: false })
    await world.start()
  })
  after(() => world.stop())

  test('AC-176 a sign-in that changes region fails with the sentence that administrators know', async () => {
    const browser = new PlainBrowser()
    await world.goTo(0)
    const form = await browser.open(`${world.app('intranet').url}/`)
    await world.goTo(1)
    const page = await browser.submit(form, { username: 'ana', password: 'ana' })
    assert.match(page.body, /CURFEW_SESSION_STATE_NOT_FOUND/)
    await until(async () => world.region(1).said().includes('Unable to resume processing because saved state was not found for key'))
    await world.goTo(0)
    await browser.submit(form, { username: 'ana', password: 'ana' })
    assert.equal(world.lastOf('intranet'), 'signed-in', 'back in its region it goes on')
    await browser.close()
  })

  test('AC-009 with sessions off a session stays in its region, and its revocation goes everywhere', async () => {
    assert.equal((await world.sessions(0, 'live')).length, 1)
    await sleep(1_500)
    assert.equal((await world.sessions(1, 'live')).length, 0)
    await world.ask(0, '/v1/logout', { user: 'ana' })
    await until(async () => (await world.revoked(1)).length === 1)
    assert.deepEqual(await world.revoked(1), await world.revoked(0))
  })
})

regionsOn('sqlite', await freeRange(60))
regionsOn('redis', await freeRange(60))
