import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Server as TcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import type { DemoApplications } from '../../../../demo/start.ts'
import type { ClusterView, EndedView, PlaceView, RunView, SessionView } from '../../src/admin/schemas.ts'
import { type Page, PlainBrowser } from '../../src/cli/plain-browser.ts'
import { groupOf } from '../../src/core/group.ts'
import { type Server, skipReason, startServer, until } from '../stores/redis/servers.ts'
import { freeRange } from '../support/ports.ts'
import { install, type Installation } from './installation.ts'
import { bin } from '../support/bin.ts'

const names = ['berlin', 'paris'] as const

type StoreKind = 'redis' | 'sqlite'

/** Two subclusters, one process each, behind one address. */
class World {
  readonly folder = mkdtempSync(join(tmpdir(), 'curfew-groups-'))
  readonly kind: StoreKind
  readonly base: number
  readonly baseUrl: string
  readonly processes: ChildProcess[] = []
  servers: readonly Server[] = []
  installation!: Installation
  applications!: DemoApplications
  /** Where the next connections lead: one group, or one after the other. */
  goTo: number | 'both' = 0
  #turn = 0
  readonly #front: TcpServer

  constructor(kind: StoreKind, base: number) {
    this.kind = kind
    this.base = base
    this.baseUrl = `http://curfew.localhost:${base}`
    this.#front = createServer((socket) => {
      this.#turn += 1
      const upstream = connect(this.#port(this.goTo === 'both' ? this.#turn % 2 : this.goTo), '127.0.0.1')
      socket.pipe(upstream).pipe(socket)
      socket.on('error', () => upstream.destroy())
      upstream.on('error', () => socket.destroy())
    })
  }

  async start(): Promise<void> {
    if (this.kind === 'redis') this.servers = await Promise.all([startServer(), startServer()])
    this.installation = await install(this.folder, this.baseUrl, this.base + 20)
    this.applications = this.installation.applications
    // Each group reads a file of its own: that a password was changed is known to one of them only.
    copyFileSync(join(this.folder, 'users.yaml'), join(this.folder, 'users-paris.yaml'))
    for (const i of [0, 1]) this.processes[i] = await this.run(i)
    this.#front.listen(this.base, '127.0.0.1')
    await once(this.#front, 'listening')
    await until(async () => (await this.links(0)).every(({ state }) => state === 'up') && (await this.links(1)).every(({ state }) => state === 'up'))
  }

  async stop(): Promise<void> {
    for (const child of this.processes) child.kill('SIGKILL')
    this.#front.close()
    await this.applications.close()
    await Promise.all(this.servers.map((server) => server.stop()))
    rmSync(this.folder, { recursive: true, force: true })
  }

  async run(i: number): Promise<ChildProcess> {
    const child = spawn(process.execPath, [bin, 'start', '--config', this.configFile(i)], { stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
    await until(async () => {
      if (child.exitCode !== null) throw new Error(said)
      return fetch(`http://127.0.0.1:${this.#port(i)}/pf/heartbeat.ping`).then(
        ({ ok }) => ok,
        () => false
      )
    }, 20_000)
    return child
  }

  configFile(i: number, more: object = {}): string {
    const server = this.servers[i]
    return this.installation.configFor(`${names[i]}`, this.#port(i), {
      cluster: {
        node: `${names[i]}-1`,
        group: names[i],
        mode: 'subclusters',
        groups: names.map((id, n) => ({ id, links: [`http://127.0.0.1:${this.base + 10 + n}`] })),
        listen: [`127.0.0.1:${this.base + 10 + i}`],
        ...more
      },
      signOn: { users: i === 0 ? 'users.yaml' : 'users-paris.yaml' },
      store:
        server === undefined
          ? { kind: 'sqlite', file: `data/${names[i]}.db` }
          : { kind: 'redis', redis: { copies: 0, nodes: [`redis://127.0.0.1:${server.port}`] } }
    })
  }

  async kill(i: number): Promise<void> {
    const child = this.processes[i]
    child?.kill('SIGKILL')
    if (child?.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }

  async ask<T>(i: number, path: string, body?: object): Promise<T> {
    return (await (await this.installation.ask(`http://127.0.0.1:${this.#port(i) + 1}`, path, body)).json()) as T
  }

  async sessions(i: number): Promise<readonly SessionView[]> {
    return (await this.ask<{ items: SessionView[] }>(i, '/v1/sessions?state=live&limit=100')).items
  }

  /** Requests that one group answered for the other. */
  async handedOver(): Promise<number> {
    const figures = await Promise.all([0, 1].map(async (i) => (await fetch(`http://127.0.0.1:${this.#port(i) + 1}/metrics`)).text()))
    const counts = figures.flatMap((text) => [...text.matchAll(/^curfew_group_calls_served_total\{.*requests\.carry.*result="answered".*\} (\d+)$/gm)])
    return counts.reduce((sum, [, count]) => sum + Number(count), 0)
  }

  async links(i: number): Promise<ClusterView['groups']['others']> {
    return (await this.ask<ClusterView>(i, '/v1/cluster')).groups.others
  }

  async signIn(browser: PlainBrowser, id: string): Promise<Page> {
    const page = await browser.open(`${this.app(id).url}/`)
    return page.body.includes('type="password"') ? browser.submit(page, { username: 'ana', password: 'ana' }) : page
  }

  app(id: string): DemoApplications['applications'][number] {
    const found = this.applications.applications.find((app) => app.id === id)
    assert.ok(found !== undefined, id)
    return found
  }

  lastOf(id: string): string | undefined {
    return this.app(id).journal.entries().at(-1)?.event
  }

  #port(i: number): number {
    return this.base + 1 + 2 * i
  }
}

const told = ['intranet', 'legacy', 'wiki'] as const

function groupsOn(kind: StoreKind, base: number): void {
  suite(`two subclusters, each on ${kind}`, { skip: kind === 'redis' && skipReason }, () => {
    const world = new World(kind, base)
    before(() => world.start())
    after(() => world.stop())

    test('AC-188 AC-018 every request of a sign-in and of a sign-out may land in another group; the state stays in one', async () => {
      world.goTo = 'both'
      const browser = new PlainBrowser()
      for (const id of ['payroll', ...told]) {
        await world.signIn(browser, id)
        assert.equal(world.lastOf(id), 'signed-in', id)
      }
      const counts = [(await world.sessions(0)).length, (await world.sessions(1)).length]
      assert.equal(Math.max(...counts), 1, 'one session')
      assert.equal(Math.min(...counts), 0, 'in one group')
      await browser.submit(await browser.open(`${world.baseUrl}/signoff`), { choice: 'everywhere' })
      await until(async () => told.every((id) => world.lastOf(id) === 'signed-out'), 15_000)
      assert.deepEqual([(await world.sessions(0)).length, (await world.sessions(1)).length], [0, 0])
      assert.ok((await world.handedOver()) > 0, 'some did land in the wrong group')
      await browser.close()
    })

    test('AC-018 a session and its run are looked at and ended by id at any group', async () => {
      world.goTo = 1
      const browser = new PlainBrowser()
      for (const id of told) await world.signIn(browser, id)
      const [session] = await world.sessions(1)
      assert.equal(groupOf(session?.id ?? ''), 'b')
      assert.deepEqual(await world.sessions(0), [])
      assert.equal((await world.ask<SessionView>(0, `/v1/sessions/${session?.id}`)).user, 'ana')
      const { ended } = await world.ask<EndedView>(0, `/v1/sessions/${session?.id}/logout`, {})
      const [one] = ended
      assert.equal(groupOf(one?.run ?? ''), 'b')
      await until(async () => told.every((id) => world.lastOf(id) === 'signed-out'), 15_000)
      await until(async () => {
        const run = await world.ask<RunView>(0, `/v1/runs/${one?.run}`)
        return told.every((id) => run.deliveries.find(({ peer }) => peer === id)?.outcome === 'ended')
      })
      await browser.close()
    })

    test('AC-199 who keeps a session is said by its own group; another one names that group, and none of its own servers', async () => {
      world.goTo = 1
      const browser = new PlainBrowser()
      await world.signIn(browser, 'wiki')
      const [session] = await world.sessions(1)
      assert.deepEqual(await world.ask<PlaceView>(0, `/v1/cluster/owner/${session?.id}`), { session: session?.id, group: 'paris' })
      const there = await world.ask<PlaceView>(1, `/v1/cluster/owner/${session?.id}`)
      assert.match('primary' in there ? there.primary : '', kind === 'redis' ? new RegExp(`^127.0.0.1:${world.servers[1]?.port}$`) : /paris\.db$/)
      const told = spawnSync(process.execPath, [bin, 'cluster', 'owner', session?.id ?? '', '--config', join(world.folder, 'berlin.yaml')], {
        encoding: 'utf8'
      })
      assert.match(told.stdout, /^ *Group +paris, which has a store of its own: ask one of its nodes$/m)
      assert.doesNotMatch(told.stdout, /Primary/)
      await world.ask<EndedView>(1, '/v1/logout', { user: 'ana' })
      await browser.close()
    })

    test('AC-013 a password that is changed in one group ends the sessions of the user in every group', async () => {
      const browsers = [new PlainBrowser(), new PlainBrowser()]
      for (const [i, browser] of browsers.entries()) {
        world.goTo = i
        await world.signIn(browser, told[i] ?? '')
      }
      assert.deepEqual([(await world.sessions(0)).length, (await world.sessions(1)).length], [1, 1])
      const changed = spawnSync(process.execPath, [bin, 'users', 'password', 'ana', '--password-stdin', '--config', join(world.folder, 'berlin.yaml')], {
        input: 'ana\n',
        encoding: 'utf8'
      })
      assert.equal(changed.status, 0, changed.stderr)
      await until(async () => (await world.sessions(0)).length === 0 && (await world.sessions(1)).length === 0, 15_000)
      await until(async () => world.lastOf('intranet') === 'signed-out' && world.lastOf('legacy') === 'signed-out', 15_000)
      for (const browser of browsers) await browser.close()
    })

    test('a group that is down is named, what is elsewhere ends, and nothing is called ended that is not', async () => {
      const browsers = [new PlainBrowser(), new PlainBrowser()]
      for (const [i, browser] of browsers.entries()) {
        world.goTo = i
        await world.signIn(browser, 'wiki')
      }
      const [there] = await world.sessions(1)
      await world.kill(1)
      const { ended, unreached } = await world.ask<EndedView>(0, '/v1/logout', { user: 'ana' })
      assert.deepEqual([ended.length, unreached], [1, ['paris']])
      assert.equal((await world.ask<{ code: string }>(0, `/v1/sessions/${there?.id}/logout`, {})).code, 'CURFEW_GROUP_UNREACHABLE')
      await until(async () => (await world.links(0))[0]?.state === 'down', 60_000)
      const status = spawnSync(process.execPath, [bin, 'cluster', 'status', '--config', join(world.folder, 'berlin.yaml')], { encoding: 'utf8' })
      assert.equal(status.status, 2)
      assert.match(status.stdout, /paris +b +down/)
      world.processes[1] = await world.run(1)
      await until(async () => (await world.links(0))[0]?.state === 'up', 60_000)
      assert.equal((await world.ask<EndedView>(0, '/v1/logout', { user: 'ana' })).ended.length, 1)
      assert.deepEqual(await world.sessions(1), [])
      for (const browser of browsers) await browser.close()
    })

    test('AC-017 a node with the id of one group on the store of the other does not start', async () => {
      await world.kill(1)
      const file = world.configFile(1, { group: 'berlin', listen: [`127.0.0.1:${base + 15}`] })
      const refused = spawnSync(process.execPath, [bin, 'start', '--config', file], { encoding: 'utf8', timeout: 20_000 })
      assert.notEqual(refused.status, 0)
      assert.match(refused.stderr, /CURFEW_GROUP_ANNOUNCED/)
      assert.match(refused.stderr, /this store belongs to another group/)
      world.processes[1] = await world.run(1)
    })
  })
}

groupsOn('sqlite', await freeRange(60))
groupsOn('redis', await freeRange(60))
