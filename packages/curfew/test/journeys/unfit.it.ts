import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { storeFormat } from '../../src/stores/redis/format.ts'
import { startCurfew } from '../cli/bin.ts'
import { type Server, skipReason, startServer, until } from '../stores/redis/servers.ts'
import { freeRange } from '../support/ports.ts'
import { install, type Installation } from './installation.ts'

const port = await freeRange(60)
const folder = mkdtempSync(join(tmpdir(), 'curfew-unfit-'))

/** A process and what it has said. */
interface Started {
  readonly process: ChildProcess
  readonly port: number
  log(): string
}

suite('A process that may not serve any more', { skip: skipReason }, () => {
  let redis: Server
  let installation: Installation
  const all: ChildProcess[] = []

  before(async () => {
    redis = await startServer()
    installation = await install(folder, `http://curfew.localhost:${port}`, port + 20)
  })
  after(async () => {
    for (const child of all) child.kill('SIGKILL')
    await installation.applications.close()
    await redis.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  /** Starts a node; it has a store of its own by the prefix. */
  const start = async (file: string, at: number, prefix: string, ...more: readonly string[]): Promise<Started> => {
    const config = installation.configFor(file, at, {
      cluster: { node: 'one' },
      store: { kind: 'redis', redis: { copies: 0, prefix, buckets: 16, nodes: [`redis://127.0.0.1:${redis.port}`] } }
    })
    const child = startCurfew(folder, ['start', '--config', config, ...more])
    all.push(child)
    let log = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (log += text))
    await until(async () => log.includes('"event":"server.ready"'), 90_000)
    return { process: child, port: at, log: () => log }
  }
  const serves = (at: number): Promise<boolean> =>
    fetch(`http://127.0.0.1:${at}/pf/heartbeat.ping`, { headers: { connection: 'close' } }).then(
      ({ ok }) => ok,
      () => false
    )

  for (const [i, workers] of ['1', '2'].entries())
    test(`AC-190 when newer programs write the store it stops serving, and is not to be started again (workers: ${workers})`, async () => {
      const prefix = `newer${workers}:`
      const one = await start(`newer${workers}`, port + 12 * i, prefix, '--workers', workers)
      await until(async () => serves(one.port), 30_000)
      const ended = once(one.process, 'exit')
      const [, keys] = (await redis.command('SCAN', '0', 'MATCH', `${prefix}*}format`, 'COUNT', '10000')) as [string, readonly string[]]
      await redis.command('SET', keys[0] ?? assert.fail('no format'), String(storeFormat + 1))
      assert.deepEqual(await ended, [78, null])
      assert.match(one.log(), /"event":"server.unfit","code":"CURFEW_STORE_SCHEMA_NEWER"/)
      assert.equal(await serves(one.port), false)
    })

  test('when another process has taken its name, because it was away, it stops serving', async () => {
    const one = await start('away', port + 4, 'away:')
    const ended = once(one.process, 'exit')
    one.process.kill('SIGSTOP')
    const other = await start('instead', port + 8, 'away:')
    one.process.kill('SIGCONT')
    assert.deepEqual(await ended, [1, null])
    assert.match(one.log(), /"event":"server.unfit","code":"CURFEW_STORE_NODE_TAKEN"/)
    assert.deepEqual([await serves(one.port), await serves(other.port)], [false, true])
  })
})
