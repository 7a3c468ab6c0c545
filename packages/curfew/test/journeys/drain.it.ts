import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server as TcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { parse, stringify } from 'yaml'
import type { ClusterView, EndedView, ProblemView, RunView } from '../../src/admin/schemas.ts'
import { PlainBrowser } from '../../src/cli/plain-browser.ts'
import { curfew } from '../cli/bin.ts'
import { freeRange } from '../support/ports.ts'
import { type Server, skipReason, startServer, until } from '../stores/redis/servers.ts'
import { install, type Installation } from './installation.ts'
import { bin } from '../support/bin.ts'

const port = await freeRange(60)
const baseUrl = `http://curfew.localhost:${port}`
const folder = mkdtempSync(join(tmpdir(), 'curfew-drain-'))
const secret = 'a secret that is long enough'

interface Node {
  readonly name: string
  readonly port: number
  readonly adminUrl: string
  readonly config: string
  readonly process: ChildProcess
}

suite('Draining a node', { skip: skipReason }, () => {
  let redis: Server
  let installation: Installation
  let balancer: TcpServer
  const nodes = new Map<string, Node>()
  const nodeAt = (name: string): Node => nodes.get(name) ?? assert.fail(name)

  before(async () => {
    redis = await startServer()
    installation = await install(folder, baseUrl, port + 20)
    nodes.set('a', await startNode('a', port + 1))
    nodes.set('b', await startNode('b', port + 3))
    balancer = await balance()
  })
  after(async () => {
    for (const { process: child } of nodes.values()) child.kill('SIGKILL')
    balancer.close()
    await installation.applications.close()
    await redis.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  test('it says so to load balancers, gives its runs away, ends its streams, and whoever is signed in notices nothing', async () => {
    const browser = await signIn()
    const feed = await openFeed(nodeAt('a'))
    const drained = await curfew(folder, ['cluster', 'drain', 'a', '--config', nodeAt('b').config])
    assert.deepEqual([drained.code, drained.out.trim()], [0, 'a has nothing any more and can be stopped'], drained.err)
    assert.deepEqual([await heartbeat(nodeAt('a')), await heartbeat(nodeAt('b'))], [503, 200])
    assert.deepEqual(await stateOf('a'), { isLive: true, work: 'drained' })
    assert.match((await curfew(folder, ['cluster', 'status', '--config', nodeAt('b').config])).out, /^a +drained /m)
    // The stream ended, which is why the node counts as drained; the reader finds the other node.
    for await (const _ of feed.body ?? assert.fail('no stream')) void _
    await (await openFeed(nodeAt('b'))).body?.cancel()
    assert.match((await browser.open(`${baseUrl}/`)).body, /ana/)
    const late = await fetch(`http://127.0.0.1:${nodeAt('a').port}/signoff`)
    assert.equal(late.headers.get('connection'), 'close')
    // Asked at the drained node: the end is stored there, and carried out by the other one.
    const ended = (await (await installation.ask(nodeAt('a').adminUrl, '/v1/logout', { user: 'ana' })).json()) as EndedView
    assert.equal(ended.ended.length, 1)
    await settled(nodeAt('b'), ended.ended[0]?.run ?? '')
    await browser.close()
  })

  test('the last node that takes work is not drained', async () => {
    const answer = await installation.ask(nodeAt('a').adminUrl, '/v1/cluster/nodes/b/drain', {})
    assert.deepEqual([answer.status, ((await answer.json()) as ProblemView).code], [409, 'CURFEW_CLUSTER_LAST_NODE'])
    assert.equal((await installation.ask(nodeAt('a').adminUrl, '/v1/cluster/nodes/nobody/drain', {})).status, 404)
    assert.equal(await heartbeat(nodeAt('b')), 200)
  })

  test('it can be undone; then the other one is drained and stopped, and nobody is signed out by that', async () => {
    const undone = await curfew(folder, ['cluster', 'drain', 'a', '--undo', '--config', nodeAt('a').config])
    assert.deepEqual([undone.code, undone.out.trim()], [0, 'a takes work'], undone.err)
    assert.equal(await heartbeat(nodeAt('a')), 200)
    const browser = await signIn()
    const drained = await curfew(folder, ['cluster', 'drain', 'b', '--config', nodeAt('b').config])
    assert.equal(drained.code, 0, drained.err)
    nodeAt('b').process.kill('SIGTERM')
    assert.deepEqual(await once(nodeAt('b').process, 'exit'), [0, null])
    assert.match((await browser.open(`${baseUrl}/`)).body, /ana/)
    const ended = (await (await installation.ask(nodeAt('a').adminUrl, '/v1/logout', { user: 'ana' })).json()) as EndedView
    await settled(nodeAt('a'), ended.ended[0]?.run ?? '')
    await browser.close()
  })

  test('a node that starts again under its name takes work', async () => {
    nodes.set('b', await startNode('b', port + 3))
    assert.deepEqual(await stateOf('b'), { isLive: true, work: undefined })
    assert.equal(await heartbeat(nodeAt('b')), 200)
  })

  async function signIn(): Promise<PlainBrowser> {
    const browser = new PlainBrowser()
    const [first, second] = installation.applications.applications.filter(({ keepsAccess }) => keepsAccess !== true)
    await browser.submit(await browser.open(`${first?.url}/`), { username: 'ana', password: 'ana' })
    await browser.open(`${second?.url}/`)
    return browser
  }

  /** Every new connection goes to a node whose heartbeat says OK. */
  function balance(): Promise<TcpServer> {
    let turn = 0
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      void ready().then((targets) => {
        turn += 1
        const target = targets[turn % targets.length]
        if (target === undefined) return socket.destroy()
        const upstream = connect(target.port, '127.0.0.1')
        socket.pipe(upstream).pipe(socket)
        socket.on('error', () => upstream.destroy())
        upstream.on('error', () => socket.destroy())
        return socket
      })
    })
    return new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve(server)))
  }

  async function ready(): Promise<readonly Node[]> {
    const all = [...nodes.values()]
    const answers = await Promise.all(all.map((node) => heartbeat(node).catch(() => 0)))
    return all.filter((_, i) => answers[i] === 200)
  }

  async function heartbeat(node: Node): Promise<number> {
    return (await fetch(`http://127.0.0.1:${node.port}/pf/heartbeat.ping`)).status
  }

  async function stateOf(name: string): Promise<object> {
    const { nodes: seen } = (await (await installation.ask(nodeAt('a').adminUrl, '/v1/cluster')).json()) as ClusterView
    const found = seen.find(({ id }) => id === name)
    return { isLive: found?.isLive, work: found?.work }
  }

  function openFeed(node: Node): Promise<Response> {
    const authorization = `Basic ${Buffer.from(`watcher:${secret}`).toString('base64')}`
    return fetch(`http://127.0.0.1:${node.port}/pf-ws/rest/sessionMgmt/revocationFeed`, {
      headers: { authorization, accept: 'text/event-stream', 'x-xsrf-header': 'curfew' }
    })
  }

  async function settled(node: Node, id: string): Promise<void> {
    await until(async () => {
      const run = (await (await installation.ask(node.adminUrl, `/v1/runs/${id}`)).json()) as RunView
      return run.deliveries.filter((d) => d.channels.some((channel) => channel.startsWith('server/'))).every((d) => d.state === 'final')
    }, 20_000)
  }

  async function startNode(name: string, at: number): Promise<Node> {
    const config = installation.configFor(name, at, {
      cluster: { node: name },
      store: { kind: 'redis', redis: { topology: 'standalone', copies: 0, nodes: [`redis://127.0.0.1:${redis.port}`] } }
    })
    const whole = parse(readFileSync(config, 'utf8')) as { connections: object[] }
    const watcher = { id: 'watcher', protocol: 'oidc', clientSecret: secret, redirectUris: ['http://watcher.test/cb'], revocationFeed: true }
    writeFileSync(config, stringify({ ...whole, connections: [...whole.connections, watcher] }))
    const child = spawn(process.execPath, [bin, 'start', '--config', config], { stdio: 'ignore' })
    const node = { name, port: at, adminUrl: `http://127.0.0.1:${at + 1}`, config, process: child }
    await until(async () => (await heartbeat(node)) === 200, 20_000)
    return node
  }
})
