import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../packages/curfew/src/platform/clock.ts'
import { openLink, type Reply } from '../packages/curfew/src/stores/redis/link.ts'
import { serverProgram, until } from '../packages/curfew/test/stores/redis/servers.ts'
import type { Host, Net } from './net.ts'
import { roleOf, startServer, type StoreCluster } from './redis.ts'

const port = 26_379
const serverPort = 6_379
const name = 'curfew'

/** One that watches the servers, on a machine of its own. */
export interface Sentinel {
  readonly host: Host
  readonly url: string
  ask(...args: readonly string[]): Promise<Reply>
  stop(): void
}

/** A server with two copies, watched by three sentinels: as {@link StoreCluster} it has one part. */
export interface WatchedSet extends StoreCluster {
  readonly sentinels: readonly Sentinel[]
}

export async function startWatchedSet(net: Net): Promise<WatchedSet> {
  const first = await startServer(net.host('store0'))
  const following = ['--replicaof', `${first.host.address} ${serverPort}`]
  const servers = [first, await startServer(net.host('store1'), following), await startServer(net.host('store2'), following)]
  await until(async () => String(await first.command('INFO', 'replication')).match(/state=online/g)?.length === 2)
  const sentinels = [0, 1, 2].map((number) => startSentinel(net.host(`sentinel${number}`), first.host.address))
  const others = async (sentinel: Sentinel, what: string): Promise<number> => ((await sentinel.ask('SENTINEL', what, name)) as readonly Reply[]).length
  for (const one of sentinels) await until(async () => (await others(one, 'SENTINELS')) === 2 && (await others(one, 'REPLICAS')) === 2)
  /** Who takes the writes, and a copy, when both copies follow. */
  const inOrder = async () => {
    const roles = await Promise.all(servers.map(roleOf))
    const primary = servers[roles.findIndex(([role]) => role === 'master')]
    const [replica, other] = servers.filter((_, i) => roles[i]?.[0] === 'slave' && roles[i]?.[3] === 'connected')
    return primary === undefined || replica === undefined || other === undefined ? undefined : { primary, replica }
  }
  return {
    servers,
    sentinels,
    whole: () =>
      until(async () => {
        const part = await inOrder()
        const named = await Promise.all(sentinels.map(async (one) => String(await one.ask('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name))))
        return part !== undefined && named.every((one) => one === `${part.primary.host.address},${serverPort}`)
      }, 60_000),
    async firstPart() {
      const part = await inOrder()
      if (part === undefined) throw new Error('the servers are not in order')
      return part
    }
  }
}

function startSentinel(host: Host, primary: string): Sentinel {
  const folder = mkdtempSync(join(tmpdir(), `curfew-${host.name}-`))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'sentinel.conf')
  // As the guide has it: a copy takes over later than a node that is cut off stops reading.
  const watching = [`monitor ${name} ${primary} ${serverPort} 2`, `down-after-milliseconds ${name} 3000`, `failover-timeout ${name} 5000`]
  writeFileSync(file, [`port ${port}`, 'protected-mode no', `dir ${folder}`, ...watching.map((line) => `sentinel ${line}`), ''].join('\n'))
  const line = [...host.prefix, serverProgram ?? 'redis-server', file, '--sentinel']
  const [program, ...args] = line as [string, ...string[]]
  const child = spawn(program, args, { stdio: 'ignore' })
  return {
    host,
    url: `redis://${host.address}:${port}`,
    async ask(...command) {
      const link = await openLink({ address: { host: host.address, port }, access: {}, clock: systemClock, label: 'faults' })
      try {
        return await link.send(command)
      } finally {
        link.close()
      }
    },
    stop: () => void child.kill('SIGKILL')
  }
}
