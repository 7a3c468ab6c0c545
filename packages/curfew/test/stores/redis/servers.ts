import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freeRange } from '../../support/ports.ts'
import { systemClock } from '../../../src/platform/clock.ts'
import { type Link, openLink, type Reply } from '../../../src/stores/redis/link.ts'
import { findProgram } from '../../../../../tools/system-deps.ts'

/**
 * The server program: `CURFEW_TEST_REDIS`, a path, or that of this machine; tests are skipped with a reason where there is
 * none.
 */
export const serverProgram = process.env['CURFEW_TEST_REDIS'] ?? findProgram(['redis-server', 'valkey-server'])
export const skipReason = serverProgram === undefined ? 'redis-server is not on this machine' : false

/** What that program is: `Redis 7.0.15`, `Valkey 8.0.1`; empty where there is none. */
export const serverVersion = versionOf(serverProgram)
/** Why tests of `ack: fsync` are left out: the command behind it came with Redis 7.2. */
export const noFsync: string | false = skipReason === false && /^Redis ([0-6]\.|7\.[01]\.)/.test(serverVersion) ? 'Redis 7.2 or Valkey is needed' : skipReason

function versionOf(program: string | undefined): string {
  if (program === undefined) return ''
  const [, name = '', version = ''] = /^(\w+) server v=([\d.]+)/.exec(execFileSync(program, ['--version'], { encoding: 'utf8' })) ?? []
  return `${name} ${version}`
}

/** Ends what still runs when this process ends. */
const leftBehind = new Set<() => void>()
process.once('exit', () => leftBehind.forEach((end) => end()))

/** One real server in a process of its own. */
export interface Server {
  readonly port: number
  readonly process: ChildProcess
  command(...args: readonly string[]): Promise<Reply>
  kill(signal: NodeJS.Signals): void
  /** Starts again on the same port with what is on its disk. */
  restart(): Promise<void>
  /**
   * Keeps what the server has now; what is returned starts it with that again. To its clients this is a copy that takes
   * over behind lag. Needs `appendfsync always`.
   */
  remember(): () => Promise<void>
  stop(): Promise<void>
}

export async function startServer(settings: readonly string[] = []): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-redis-'))
  // The second is for the bus of a cluster node.
  const port = await freeRange(2)
  const launch = (): ChildProcess =>
    spawn(
      serverProgram ?? 'redis-server',
      [
        '--port',
        String(port),
        '--cluster-port',
        String(port + 1),
        '--bind',
        '127.0.0.1',
        '--dir',
        folder,
        '--save',
        '',
        '--appendonly',
        'yes',
        '--repl-diskless-sync-delay',
        '0',
        ...settings
      ],
      { stdio: 'ignore' }
    )
  let child = launch()
  const end = (): void => void child.kill('SIGKILL')
  leftBehind.add(end)
  const command = async (...args: readonly string[]): Promise<Reply> => {
    const link = await connected(port)
    try {
      return await link.send(args)
    } finally {
      link.close()
    }
  }
  const ready = (): Promise<void> => until(async () => (await command('PING')) === 'PONG')
  const die = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  const start = async (): Promise<void> => {
    child = launch()
    await ready()
  }
  await ready()
  return {
    port,
    get process() {
      return child
    },
    command,
    kill(signal) {
      child.kill(signal)
    },
    async restart() {
      await die()
      await start()
    },
    remember() {
      const kept = mkdtempSync(join(folder, 'kept-'))
      cpSync(join(folder, 'appendonlydir'), join(kept, 'appendonlydir'), { recursive: true })
      return async () => {
        await die()
        rmSync(join(folder, 'appendonlydir'), { recursive: true })
        cpSync(join(kept, 'appendonlydir'), join(folder, 'appendonlydir'), { recursive: true })
        await start()
      }
    },
    async stop() {
      leftBehind.delete(end)
      child.kill('SIGCONT')
      await die()
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

/** On a machine that has much to do a server may need more than one try; nothing was sent before. */
async function connected(port: number, tries = 4): Promise<Link> {
  const options = { address: { host: '127.0.0.1', port }, access: {}, clock: systemClock, label: 'test' }
  return tries === 1 ? openLink(options) : openLink(options).catch(() => connected(port, tries - 1))
}

export type Sentinel = Pick<Server, 'port' | 'kill' | 'stop'>

/** Sentinels that agree by majority, and know each other before they are handed out. */
export async function startSentinels(count: number, primary: Pick<Server, 'port'>, replicas: readonly Server[]): Promise<readonly Sentinel[]> {
  const sentinels = await Promise.all(Array.from({ length: count }, () => startSentinel(primary, replicas, Math.floor(count / 2) + 1)))
  for (const { port } of sentinels) await until(async () => ((await ask(port, 'SENTINEL', 'SENTINELS', 'curfew')) as readonly Reply[]).length === count - 1)
  return sentinels
}

async function ask(port: number, ...args: readonly string[]): Promise<Reply> {
  const link = await openLink({ address: { host: '127.0.0.1', port }, access: {}, clock: systemClock, label: 'test' })
  try {
    return await link.send(args)
  } finally {
    link.close()
  }
}

/** A sentinel that watches servers under the name `curfew`, and knows the replicas before it is handed out. */
export async function startSentinel(primary: Pick<Server, 'port'>, replicas: readonly Server[], quorum = 1): Promise<Sentinel> {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-sentinel-'))
  const file = join(folder, 'sentinel.conf')
  const port = await freeRange(1)
  const watch = [`monitor curfew 127.0.0.1 ${primary.port} ${quorum}`, 'down-after-milliseconds curfew 500', 'failover-timeout curfew 3000']
  writeFileSync(file, [`port ${port}`, 'bind 127.0.0.1', `dir ${folder}`, ...watch.map((line) => `sentinel ${line}`), ''].join('\n'))
  const sentinel = spawn(serverProgram ?? '', [file, '--sentinel'], { stdio: 'ignore' })
  const end = (): void => void sentinel.kill('SIGKILL')
  leftBehind.add(end)
  await until(async () => {
    const known = String(await ask(port, 'SENTINEL', 'REPLICAS', 'curfew'))
    return replicas.every((replica) => known.includes(String(replica.port)))
  })
  return {
    port,
    kill: (signal) => void sentinel.kill(signal),
    async stop() {
      leftBehind.delete(end)
      sentinel.kill('SIGKILL')
      if (sentinel.exitCode === null && sentinel.signalCode === null) await once(sentinel, 'exit')
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

/** Waits until something holds. */
export async function until(holds: () => Promise<boolean>, patienceMs = 30_000): Promise<void> {
  const end = Date.now() + patienceMs
  for (;;) {
    if (await holds().catch(() => false)) return
    if (Date.now() > end) throw new Error(`it did not come to hold within ${patienceMs} ms`)
    await sleep(20)
  }
}

/** What a server of a cluster is started with. */
export const clusterSettings: readonly string[] = [
  '--cluster-enabled',
  'yes',
  '--cluster-node-timeout',
  '1000',
  '--cluster-require-full-coverage',
  'no',
  '--cluster-config-file',
  'nodes.conf'
]

/** A cluster of primaries, each with copies, made as an operator would make one. */
export async function startCluster(primaries: number, copies: number, settings: readonly string[] = []): Promise<readonly Server[]> {
  const servers = await Promise.all(Array.from({ length: primaries * (1 + copies) }, () => startServer([...clusterSettings, ...settings])))
  const [first, ...others] = servers
  if (first === undefined) throw new Error('a cluster has a server')
  const share = Math.ceil(16_384 / primaries)
  await Promise.all(
    servers.slice(0, primaries).map((server, i) => server.command('CLUSTER', 'ADDSLOTSRANGE', String(i * share), String(Math.min(16_384, (i + 1) * share) - 1)))
  )
  for (const other of others) await first.command('CLUSTER', 'MEET', '127.0.0.1', String(other.port), String(other.port + 1))
  await until(async () => /cluster_known_nodes:(\d+)/.exec(String(await first.command('CLUSTER', 'INFO')))?.[1] === String(servers.length))
  for (const [i, server] of servers.slice(primaries).entries()) {
    const id = String(await servers[i % primaries]?.command('CLUSTER', 'MYID'))
    await until(async () => String(await server.command('CLUSTER', 'NODES')).includes(id))
    await server.command('CLUSTER', 'REPLICATE', id)
  }
  for (const server of servers) await until(async () => String(await server.command('CLUSTER', 'INFO')).includes('cluster_state:ok'))
  for (const server of servers.slice(0, primaries))
    await until(async () => String(await server.command('INFO', 'replication')).match(/state=online/g)?.length === (copies === 0 ? undefined : copies))
  return servers
}

/** Makes an empty server part of a cluster; it has no slots yet. */
export async function addToCluster(servers: readonly Server[], newcomer: Server): Promise<void> {
  await newcomer.command('CLUSTER', 'MEET', '127.0.0.1', String(servers[0]?.port), String((servers[0]?.port ?? 0) + 1))
  for (const server of [...servers, newcomer])
    await until(async () => /cluster_known_nodes:(\d+)/.exec(String(await server.command('CLUSTER', 'INFO')))?.[1] === String(servers.length + 1))
  await until(async () => String(await newcomer.command('CLUSTER', 'INFO')).includes('cluster_state:ok'))
}
