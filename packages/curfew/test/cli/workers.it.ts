import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import type { ClusterView, HealthView } from '../../src/admin/schemas.ts'
import { install, type Installation } from '../journeys/installation.ts'
import { type Server, skipReason, startServer, until } from '../stores/redis/servers.ts'
import { freeRange } from '../support/ports.ts'
import { curfew, lineOf, startCurfew, stopped } from './bin.ts'

const port = await freeRange(60)
const folder = mkdtempSync(join(tmpdir(), 'curfew-workers-'))
const admin = `http://127.0.0.1:${port + 1}`

suite('curfew start --workers', { skip: skipReason }, () => {
  let redis: Server
  let installation: Installation
  let server: ChildProcess
  let log = ''

  before(async () => {
    redis = await startServer()
    installation = await install(folder, `http://curfew.localhost:${port}`, port + 20)
    const config = installation.configFor('workers', port, {
      cluster: { node: 'one' },
      store: { kind: 'redis', redis: { copies: 0, nodes: [`redis://127.0.0.1:${redis.port}`] } }
    })
    server = startCurfew(folder, ['start', '--workers', '2', '--config', config])
    server.stderr?.setEncoding('utf8').on('data', (text: string) => (log += text))
    await until(async () => /"event":"server.ready".*"workers":2/.test(log), 90_000)
  })
  after(async () => {
    server.kill('SIGKILL')
    await installation.applications.close()
    await redis.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const ask = async <T>(path: string): Promise<T> => (await (await installation.ask(admin, path)).json()) as T

  test('the workers are nodes that share the listeners; health and metrics are those of all', async () => {
    const { status, workers = [] } = await ask<HealthView>('/v1/health')
    assert.deepEqual([status, ...workers.map((one) => [one.worker, one.status])], ['ok', [1, 'ok'], [2, 'ok']])
    assert.notEqual(workers[0]?.pid, workers[1]?.pid)
    const { nodes } = await ask<ClusterView>('/v1/cluster')
    assert.deepEqual(
      nodes.map(({ id }) => id),
      ['one/1', 'one/2']
    )
    const page = await (await fetch(`${admin}/metrics`)).text()
    for (const worker of [1, 2]) {
      assert.match(page, new RegExp(`^curfew_runs_open\\{worker="${worker}"\\} \\d+$`, 'm'))
      assert.match(page, new RegExp(`^curfew_worker_up\\{worker="${worker}"\\} 1$`, 'm'))
    }
    // New connections are spread over them.
    const seen = new Set<string>()
    await until(async () => {
      const answers = await Promise.all(Array.from({ length: 8 }, () => ask<ClusterView>('/v1/cluster')))
      for (const { self } of answers) seen.add(self)
      return seen.size === 2
    }, 10_000)
  })

  test('a worker that is killed is started again, and meanwhile the other one serves', async () => {
    const { workers: [first = assert.fail()] = [] } = await ask<HealthView>('/v1/health')
    process.kill(first.pid, 'SIGKILL')
    await until(async () => {
      assert.equal((await fetch(`http://127.0.0.1:${port}/pf/heartbeat.ping`, { headers: { connection: 'close' } })).status, 200)
      const { workers = [] } = await ask<HealthView>('/v1/health')
      return workers.length === 2 && workers.every(({ pid, status }) => status === 'ok' && pid !== first.pid)
    }, 60_000)
    assert.match(await (await fetch(`${admin}/metrics`)).text(), /^curfew_worker_restarts_total\{worker="1"\} 1$/m)
  })

  test('all of them are drained together, or none; a node alone is not', async () => {
    const answer = await installation.ask(admin, '/v1/cluster/nodes/one/drain', {})
    assert.equal(answer.status, 409)
    assert.ok((await ask<ClusterView>('/v1/cluster')).nodes.every(({ work }) => work === undefined))
  })

  test('they stop with the one that started them', async () => {
    const { workers = [] } = await ask<HealthView>('/v1/health')
    assert.equal(await stopped(server), 0)
    for (const { pid } of workers) assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
  })

  test('auto is one for each core', async () => {
    const config = installation.configFor('auto', port + 9, {
      cluster: { node: 'auto' },
      store: { kind: 'redis', redis: { copies: 0, prefix: 'auto:', nodes: [`redis://127.0.0.1:${redis.port}`] } }
    })
    const child = startCurfew(folder, ['start', '--workers', 'auto', '--config', config])
    try {
      await lineOf(child, /"event":"server\.ready"/)
      const { workers = [] } = (await (await installation.ask(`http://127.0.0.1:${port + 10}`, '/v1/health')).json()) as HealthView
      // One core has one process, which is no worker.
      const count = availableParallelism()
      assert.deepEqual(
        workers.map(({ worker, status }) => [worker, status]),
        Array.from({ length: count > 1 ? count : 0 }, (_, i) => [i + 1, 'ok'])
      )
      assert.equal(await stopped(child), 0)
    } finally {
      child.kill('SIGKILL')
    }
  })

  test('with the embedded store it is refused, and a worker that can not start ends all of them', async () => {
    const alone = installation.configFor('alone', port + 5)
    const refused = await curfew(folder, ['start', '--workers', '2', '--config', alone])
    assert.equal(refused.code, 78)
    assert.match(refused.err, /CURFEW_CLI_WORKERS_STORE/)
    const nowhere = installation.configFor('nowhere', port + 7, { store: { kind: 'redis', redis: { copies: 0, nodes: ['redis://127.0.0.1:1'] } } })
    const failed = await curfew(folder, ['start', '--workers', '2', '--config', nowhere])
    assert.equal(failed.code, 1)
    assert.match(failed.err, /CURFEW_STORE_UNREACHABLE/)
    assert.equal((await curfew(folder, ['start', '--workers', 'none', '--config', alone])).code, 64)
  })
})
