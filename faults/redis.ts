import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../packages/curfew/src/platform/clock.ts'
import { openLink, type Reply } from '../packages/curfew/src/stores/redis/link.ts'
import { serverProgram, until } from '../packages/curfew/test/stores/redis/servers.ts'
import type { Host, Net } from './net.ts'

const port = 6379

/** A server of Redis or Valkey on a machine of its own. */
export interface StoreServer {
  readonly host: Host
  readonly url: string
  command(...args: readonly string[]): Promise<Reply>
  kill(signal: NodeJS.Signals): Promise<void>
  /** Starts it again, with what is on its disk or with an empty one. */
  restart(disk: 'kept' | 'empty'): Promise<void>
}

export async function startServer(host: Host, settings: readonly string[] = []): Promise<StoreServer> {
  const folder = mkdtempSync(join(tmpdir(), `curfew-${host.name}-`))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const common = ['--port', String(port), '--protected-mode', 'no', '--dir', folder, '--save', '', '--appendonly', 'yes', '--repl-diskless-sync-delay', '0']
  // What a dead machine had under way is given up soon, so that a round is short.
  const line = [...host.prefix, serverProgram ?? 'redis-server', ...common, '--repl-timeout', '5', '--repl-ping-replica-period', '1', ...settings]
  const [program, ...args] = line as [string, ...string[]]
  const launch = (): ChildProcess => spawn(program, args, { stdio: 'ignore' })
  let child = launch()
  const command = async (...args: readonly string[]): Promise<Reply> => {
    const link = await openLink({ address: { host: host.address, port }, access: {}, clock: systemClock, label: 'faults' })
    try {
      return await link.send(args)
    } finally {
      link.close()
    }
  }
  const ready = (): Promise<void> => until(async () => (await command('PING')) === 'PONG')
  const isGone = (): boolean => child.exitCode !== null || child.signalCode !== null
  const kill = async (signal: NodeJS.Signals): Promise<void> => {
    if (isGone()) return
    child.kill(signal)
    if (signal === 'SIGKILL') await once(child, 'exit')
  }
  await ready()
  return {
    host,
    url: `redis://${host.address}:${port}`,
    command,
    kill,
    async restart(disk) {
      await kill('SIGKILL')
      if (disk === 'empty') rmSync(join(folder, 'appendonlydir'), { recursive: true, force: true })
      child = launch()
      await ready()
    }
  }
}

/** What a server says that it is: `master`, or `slave` of whom, and whether it follows. */
export async function roleOf(server: StoreServer | undefined): Promise<readonly Reply[]> {
  const role = await server?.command('ROLE')
  return Array.isArray(role) ? (role as readonly Reply[]) : []
}

/** A cluster of primaries with one copy each, as an operator makes one. */
export interface StoreCluster {
  readonly servers: readonly StoreServer[]
  /** Who has the slots of the first part now, and its copy. */
  firstPart(): Promise<{ readonly primary: StoreServer; readonly replica: StoreServer }>
  /** Resolves when every part has a primary and a copy that is up to date. */
  whole(): Promise<void>
}

const settings = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000', '--cluster-require-full-coverage', 'no', '--cluster-config-file', 'nodes.conf']

export async function startCluster(net: Net, primaries: number): Promise<StoreCluster> {
  const servers = await Promise.all(Array.from({ length: primaries * 2 }, (_, i) => startServer(net.host(`store${i}`), settings)))
  const [first] = servers
  if (first === undefined) throw new RangeError('a cluster has a server')
  const share = Math.ceil(16_384 / primaries)
  for (const [i, server] of servers.slice(0, primaries).entries())
    await server.command('CLUSTER', 'ADDSLOTSRANGE', String(i * share), String(Math.min(16_384, (i + 1) * share) - 1))
  for (const other of servers.slice(1)) await first.command('CLUSTER', 'MEET', other.host.address, String(port))
  await until(async () => /cluster_known_nodes:(\d+)/.exec(String(await first.command('CLUSTER', 'INFO')))?.[1] === String(servers.length))
  for (const [i, server] of servers.slice(primaries).entries()) {
    const id = String(await servers[i]?.command('CLUSTER', 'MYID'))
    await until(async () => String(await server.command('CLUSTER', 'NODES')).includes(id))
    await server.command('CLUSTER', 'REPLICATE', id)
  }
  const pairs = Array.from({ length: primaries }, (_, i) => [servers[i], servers[i + primaries]] as const)
  /** Primary and copy of a pair, when the copy follows. */
  const inOrder = async (pair: (typeof pairs)[number]): Promise<{ readonly primary: StoreServer; readonly replica: StoreServer } | undefined> => {
    const [a, b] = pair
    if (a === undefined || b === undefined) return undefined
    const [roleA, roleB] = [await roleOf(a), await roleOf(b)]
    if (roleA[0] === 'master' && roleB[0] === 'slave' && roleB[3] === 'connected') return { primary: a, replica: b }
    if (roleB[0] === 'master' && roleA[0] === 'slave' && roleA[3] === 'connected') return { primary: b, replica: a }
    return undefined
  }
  const whole = (): Promise<void> =>
    until(async () => {
      for (const pair of pairs) if ((await inOrder(pair)) === undefined) return false
      for (const server of servers) if (!String(await server.command('CLUSTER', 'INFO')).includes('cluster_state:ok')) return false
      return true
    }, 60_000)
  await whole()
  return {
    servers,
    whole,
    async firstPart() {
      const [pair] = pairs
      const found = pair === undefined ? undefined : await inOrder(pair)
      if (found === undefined) throw new Error('the first part is not in order')
      return found
    }
  }
}
