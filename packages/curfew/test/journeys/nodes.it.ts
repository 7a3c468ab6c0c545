import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Server as TcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { DemoApplications } from '../../../../demo/start.ts'
import type { ClusterView, EndedView, PlaceHereView, RunView, SessionView } from '../../src/admin/schemas.ts'
import { PlainBrowser } from '../../src/cli/plain-browser.ts'
import { install, type Installation } from './installation.ts'
import { freeRange } from '../support/ports.ts'
import { type Server, skipReason, startCluster, startServer, until } from '../stores/redis/servers.ts'
import { bin } from '../support/bin.ts'
import { version } from '../../src/cli/version.ts'
import type { Reply } from '../../src/stores/redis/link.ts'

const deskSecret = 'another secret that is long enough'
/** A program that looks after sessions. */
const desk = {
  id: 'desk',
  protocol: 'oidc',
  clientSecret: deskSecret,
  redirectUris: ['http://desk.localhost/cb'],
  sessionManagement: true,
  sessionRevocation: true
}

/** One process of the authority among several. */
interface Node {
  readonly name: string
  readonly port: number
  readonly adminUrl: string
  process: ChildProcess
}

function nodesOn(name: string, port: number, start: () => Promise<readonly Server[]>, topology: 'standalone' | 'cluster', copies: number): void {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-nodes-'))
  const baseUrl = `http://curfew.localhost:${port}`
  const nodes: Node[] = []
  let servers: readonly Server[] = []
  let installation: Installation
  let applications: DemoApplications
  let balancer: TcpServer
  /** The one node that the balancer leads to; absent: both. */
  let pinned: number | undefined

  suite(name, { skip: skipReason }, () => {
    before(async () => {
      servers = await start()
      installation = await install(folder, baseUrl, port + 20)
      applications = installation.applications
      for (const [i, node] of ['a', 'b'].entries()) nodes.push(await startNode(node, port + 1 + i * 2))
      balancer = await balance(port)
    })
    after(async () => {
      for (const node of nodes) node.process.kill('SIGKILL')
      balancer?.close()
      await applications?.close()
      await Promise.all(servers.map((server) => server.stop()))
      rmSync(folder, { recursive: true, force: true })
    })

    test('AC-177 every step of a sign-in and of a sign-out may be served by another node', async () => {
      const browser = await signInEverywhere()
      const asked = await browser.open(`${baseUrl}/signoff`)
      const page = await browser.submit(asked, { choice: 'everywhere' })
      await browser.close()
      assert.match(page.body, /signed out|chat/i)
      const run = await settledRun(nodeAt(1))
      for (const id of ['payroll', 'intranet', 'legacy', 'wiki']) assert.equal(outcomeOf(run, id), 'ended', id)
      assert.equal(outcomeOf(run, 'chat'), 'unconfirmed')
      assert.equal(outcomeOf(run, 'device'), 'not-asked')
    })

    for (const [issues, ends] of [
      [0, 1],
      [1, 0]
    ] as const)
      test(`AC-005 ${topology === 'cluster' ? 'AC-010' : 'AC-012'} what node ${issues} issued, node ${ends} signs out, by SOAP where a partner has nothing else`, async () => {
        pinned = issues
        const browser = await signInEverywhere()
        pinned = undefined
        await browser.close()
        await logout(nodeAt(ends))
        const run = await settledRun(nodeAt(ends))
        const soap = run.deliveries.find(({ peer }) => peer === 'intranet')
        assert.deepEqual([soap?.channels, soap?.outcome], [['server/soap'], 'ended'])
        assert.equal(
          applications.applications
            .find(({ id }) => id === 'intranet')
            ?.journal.entries()
            .at(-1)?.event,
          'signed-out'
        )
        for (const id of ['payroll', 'legacy', 'wiki', 'chat'])
          assert.ok(
            run.deliveries.some(({ peer }) => peer === id),
            id
          )
      })

    test('AC-113 what one node revokes by its SRI has ended on the other as soon as it answers, and every application is told', async () => {
      pinned = 1
      const browser = await signInEverywhere()
      assert.match((await browser.open(`${baseUrl}/`)).body, /ana/, 'the other node knows the session')
      const known = (await (await manage(nodeAt(0), 'GET', '/users/ana')).json()) as {
        readonly sessions: readonly { id: string; authenticationTime: string }[]
      }
      const sri = known.sessions.toSorted((a, b) => Temporal.Instant.compare(b.authenticationTime, a.authenticationTime))[0]?.id ?? assert.fail('no session')
      const path = `/sessions/${encodeURIComponent(sri)}`
      assert.equal(await statusOf(await manage(nodeAt(1), 'GET', path)), 'HAS_VALID_SESSIONS')
      assert.equal(await statusOf(await manage(nodeAt(0), 'POST', `${path}/revoke`)), 'SESSION_REVOKED')
      for (const node of nodes) {
        assert.equal(await statusOf(await manage(node, 'GET', path)), 'SESSION_REVOKED', node.name)
        assert.equal((await manage(node, 'GET', `/revokedSris/${encodeURIComponent(sri)}`)).status, 200, node.name)
        const left = (await (await manage(node, 'GET', '/users/ana')).json()) as typeof known
        assert.ok(!left.sessions.some(({ id }) => id === sri), node.name)
      }
      const page = await browser.open(`${baseUrl}/`)
      assert.doesNotMatch(page.body, /Signed in as/)
      await browser.close()
      pinned = undefined
      const run = await settledRun(nodeAt(1))
      for (const id of ['intranet', 'legacy', 'wiki']) assert.equal(outcomeOf(run, id), 'ended', id)
    })

    test('the node that has a run is killed while an application does not answer: the other one finishes this run, and asks nobody after the outcome', async () => {
      await signInEverywhere().then((browser) => browser.close())
      const legacy = applications.applications.find(({ id }) => id === 'legacy') ?? assert.fail('legacy is there')
      const struck = nodeAt(0)
      // Not in a `finally`: what fails here must not hide what failed before.
      await using afterwards = new AsyncDisposableStack()
      afterwards.defer(async () => {
        legacy.setFault?.('none')
        if (struck.process.exitCode === null && struck.process.signalCode === null) {
          struck.process.kill('SIGKILL')
          await once(struck.process, 'exit')
        }
        nodes[0] = await startNode(struck.name, struck.port)
      })
      legacy.setFault?.('no-response')
      using heard = requestsTo(['intranet', 'legacy', 'wiki'])
      const asked = logout(struck).catch(() => undefined)
      const deliveryOf = (run: RunView, peer: string): RunView['deliveries'][number] | undefined => run.deliveries.find((delivery) => delivery.peer === peer)
      const stateOf = (run: RunView, peer: string): string | undefined => deliveryOf(run, peer)?.state
      await listedRun(nodeAt(1), (run) => stateOf(run, 'legacy') === 'sent' && stateOf(run, 'intranet') === 'final' && stateOf(run, 'wiki') === 'final')
      await until(async () => heard.of('legacy') > 0)
      struck.process.kill('SIGKILL')
      await once(struck.process, 'exit')
      const killedAtMs = Date.now()
      // A slow machine may have tried more than once by then. Only the node that is left sends from here on.
      const former = (await newestRun(nodeAt(1))) ?? assert.fail('no run')
      const formerAttempts = deliveryOf(former, 'legacy')?.attempts.length ?? 0
      const formerRequests = heard.of('legacy')
      legacy.setFault?.('none')
      await asked
      const run = await settledRun(nodeAt(1), 60_000)
      assert.equal(run.id, former.id, 'nobody asked for another one')
      const told = run.deliveries.filter(({ peer }) => heard.peers.includes(peer))
      assert.deepEqual(told.map(({ peer, outcome }) => [peer, outcome]).toSorted(), [
        ['intranet', 'ended'],
        ['legacy', 'ended'],
        ['wiki', 'ended']
      ])
      const late = deliveryOf(run, 'legacy')
      assert.ok((late?.finalAtMs ?? 0) >= killedAtMs, 'by the node that is left')
      assert.equal(late?.attempts.length, formerAttempts + 1)
      // Whoever had something left to send would have sent it by then.
      await sleep(3_000)
      for (const { peer } of told) {
        assert.equal(heard.of(peer), peer === 'legacy' ? formerRequests + 1 : 1, peer)
        const journal = applications.applications.find((app) => app.id === peer)?.journal
        assert.equal(journal?.entries().at(-1)?.event, 'signed-out', peer)
      }
    })

    for (const afterMs of [0, 3, 8, 20]) {
      test(`a node is killed ${afterMs} ms after it was asked to sign somebody out: the other one finishes what was stored, and is asked for what was not`, async () => {
        await signInEverywhere().then((browser) => browser.close())
        const struck = nodeAt(0)
        const former = (await newestRun(nodeAt(1)))?.id
        const asked = logout(struck).catch(() => undefined)
        await sleep(afterMs)
        struck.process.kill('SIGKILL')
        await once(struck.process, 'exit')
        await asked
        const stored = await newestRun(nodeAt(1))
        const isStored = stored !== undefined && stored.id !== former
        if (!isStored) await logout(nodeAt(1))
        const run = await settledRun(nodeAt(1), 60_000)
        if (isStored) assert.equal(run.id, stored.id)
        else assert.notEqual(run.id, former)
        for (const id of ['intranet', 'legacy', 'wiki']) {
          const outcome = outcomeOf(run, id)
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
        nodes[0] = await startNode(struck.name, struck.port)
      })
    }

    test('AC-187 every node is killed and started again: who was signed in still is, and is signed out everywhere', async () => {
      const browser = await signInEverywhere()
      for (const node of nodes) {
        node.process.kill('SIGKILL')
        await once(node.process, 'exit')
      }
      for (const [i, { name: node, port: at }] of [...nodes].entries()) nodes[i] = await startNode(node, at)
      const page = await browser.open(`${baseUrl}/`)
      assert.match(page.body, /ana/)
      await browser.close()
      await logout(nodeAt(1))
      const run = await settledRun(nodeAt(0))
      for (const id of ['intranet', 'legacy', 'wiki']) assert.equal(outcomeOf(run, id), 'ended', id)
    })

    test('AC-198 a second process with the name of a live node is refused', async () => {
      const second = spawn(process.execPath, [bin, 'start', '--config', configFile('a', port + 11)], { stdio: ['ignore', 'ignore', 'pipe'] })
      let text = ''
      second.stderr.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      const [code] = (await once(second, 'exit')) as [number]
      assert.notEqual(code, 0)
      assert.match(text, /CURFEW_STORE_NODE_TAKEN/)
    })

    test('AC-199 the status lists every node with address, index, group, version and tags, and how the store is', async () => {
      const status = (await (await call(nodeAt(0), '/v1/cluster')).json()) as ClusterView
      assert.deepEqual(
        status.nodes.map(({ startedAtMs: _, ...node }) => node),
        nodes.map((node, i) => ({ id: node.name, isLive: true, address: `127.0.0.1:${node.port}`, version, index: 7 + i, group: 'here', tags: ['test'] }))
      )
      assert.equal(status.mode, topology === 'cluster' ? 'adaptive' : 'stateServers')
      assert.equal(status.self, 'a')
      assert.equal(status.store.durability, copies === 0 ? 'local' : 'replicated')
    })

    test('AC-199 the server that is named as the one that keeps a session has it, and so have the copies that are named', async () => {
      const browser = await signInEverywhere()
      await browser.close()
      const { items } = (await (await call(nodeAt(0), '/v1/sessions?state=live&limit=1')).json()) as { items: SessionView[] }
      const id = items[0]?.id ?? assert.fail()
      const places = await Promise.all([0, 1].map(async (i) => (await call(nodeAt(i), `/v1/cluster/owner/${id}`)).json() as Promise<PlaceHereView>))
      const [place = assert.fail(), other] = places
      assert.deepEqual(other, place)
      const keeping = await Promise.all(
        servers.map(async (server) => (((await server.command('KEYS', `*}s:${id}`)) as readonly Reply[]).length > 0 ? [`127.0.0.1:${server.port}`] : []))
      )
      assert.deepEqual([place.primary, ...place.copies.map((copy) => copy.split(' ')[0])].toSorted(), keeping.flat().toSorted())
      assert.equal(place.copies.length, copies)
      for (const copy of place.copies) assert.match(copy, / online$/)
      await logout(nodeAt(0))
    })
  })

  function nodeAt(i: number): Node {
    const node = nodes[i]
    assert.ok(node !== undefined)
    return node
  }

  /** Each connection goes to another node, to one that answers. */
  function balance(at: number): Promise<TcpServer> {
    let turn = 0
    const server = createServer((socket) => {
      turn += 1
      const first = nodeAt(pinned ?? turn % 2)
      const other = nodeAt((pinned ?? turn + 1) % 2)
      const target = first.process.exitCode === null && first.process.signalCode === null ? first : other
      const upstream = connect(target.port, '127.0.0.1')
      socket.pipe(upstream).pipe(socket)
      socket.on('error', () => upstream.destroy())
      upstream.on('error', () => socket.destroy())
    })
    return new Promise((resolve) => server.listen(at, '127.0.0.1', () => resolve(server)))
  }

  async function signInEverywhere(): Promise<PlainBrowser> {
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
    for (const app of sites) assert.equal(app.journal.entries().at(-1)?.event, 'signed-in', app.id)
    return browser
  }

  /** The session management API of one node, asked by a client that may. */
  function manage({ port: at }: Node, method: 'GET' | 'POST', path: string): Promise<Response> {
    const authorization = `Basic ${Buffer.from(`desk:${deskSecret}`).toString('base64')}`
    return fetch(`http://127.0.0.1:${at}/pf-ws/rest/sessionMgmt${path}`, { method, headers: { authorization, 'x-xsrf-header': 'any' } })
  }

  async function statusOf(answer: Response): Promise<string> {
    return ((await answer.json()) as { readonly status: string }).status
  }

  async function logout(node: Node): Promise<EndedView> {
    return (await (await call(node, '/v1/logout', { user: 'ana' })).json()) as EndedView
  }

  function settledRun(node: Node, patienceMs = 20_000): Promise<RunView> {
    const isServer = (channel: string): boolean => channel.startsWith('server/')
    return listedRun(node, ({ deliveries }) => deliveries.filter((d) => d.channels.some(isServer)).every((d) => d.state === 'final'), patienceMs)
  }

  /** The newest run, once it is as it is waited for. */
  async function listedRun(node: Node, isWanted: (run: RunView) => boolean, patienceMs = 20_000): Promise<RunView> {
    let found: RunView | undefined
    await until(async () => {
      found = await newestRun(node)
      return found !== undefined && isWanted(found)
    }, patienceMs)
    return found ?? assert.fail('no run')
  }

  async function newestRun(node: Node): Promise<RunView | undefined> {
    const { items } = (await (await call(node, '/v1/runs?limit=1')).json()) as { items: RunView[] }
    return items[0]
  }

  /** How often each of these applications is asked for something by a server, from now on. */
  function requestsTo(peers: readonly string[]): { readonly peers: readonly string[]; of(peer: string): number } & Disposable {
    const counts = new Map<string, number>()
    const watched = applications.applications.flatMap(({ id, servers: all }) => (peers.includes(id) ? all.map((server) => ({ id, server })) : []))
    const listeners = watched.map(({ id, server }) => {
      const listener = (request: IncomingMessage): void => void (request.method === 'POST' && counts.set(id, (counts.get(id) ?? 0) + 1))
      server.on('request', listener)
      return () => server.off('request', listener)
    })
    return {
      peers,
      of: (peer) => counts.get(peer) ?? 0,
      [Symbol.dispose]() {
        for (const stop of listeners) stop()
      }
    }
  }

  function call(node: Node, path: string, body?: object): Promise<Response> {
    return installation.ask(node.adminUrl, path, body)
  }

  async function startNode(node: string, at: number): Promise<Node> {
    const child = spawn(process.execPath, [bin, 'start', '--config', configFile(node, at)], { stdio: 'ignore' })
    const adminUrl = `http://127.0.0.1:${at + 1}`
    try {
      await until(async () => child.exitCode !== null || (await fetch(`${adminUrl}/metrics`)).ok, 60_000)
      assert.equal(child.exitCode, null, `node ${node} did not start`)
    } catch (error) {
      child.kill('SIGKILL')
      throw error
    }
    return { name: node, port: at, adminUrl, process: child }
  }

  function configFile(node: string, at: number): string {
    const nodes = servers.map((server) => `redis://127.0.0.1:${server.port}`)
    return installation.configFor(`${node}-${at}`, at, {
      cluster: { node, index: 7 + ['a', 'b'].indexOf(node), indexes: [7, 8], group: 'here', tags: ['test'] },
      connections: [desk],
      store: { kind: 'redis', redis: { topology, copies, nodes } }
    })
  }
}

function outcomeOf(run: RunView, peer: string): string | undefined {
  return run.deliveries.find((delivery) => delivery.peer === peer)?.outcome
}

nodesOn('two nodes on one server (state servers, sharing all nodes)', await freeRange(60), async () => [await startServer()], 'standalone', 0)
nodesOn('two nodes on a cluster (adaptive)', await freeRange(60), () => startCluster(3, 1), 'cluster', 1)
