import type { GroupServers, Mode } from './modes.ts'
import { type Server, startCluster, startSentinel, startServer, until } from '../stores/redis/servers.ts'

/** The real servers of one mode, as processes of this machine. */
export interface ModeServers extends AsyncDisposable {
  readonly groups: readonly GroupServers[]
}

/** Starts what a mode needs: one server, a pair watched by Sentinel, a cluster, or one of these for each group. */
export async function startModeServers(mode: Mode): Promise<ModeServers> {
  const running: { stop(): Promise<void> }[] = []
  const one = async (): Promise<GroupServers> => {
    const server = keep(await startServer())
    return { topology: 'standalone', ports: [server.port], copies: 0 }
  }
  const watched = async (): Promise<GroupServers> => {
    const primary = keep(await startServer())
    const replica = keep(await startServer(['--replicaof', `127.0.0.1 ${primary.port}`]))
    await until(async () => String(await primary.command('INFO', 'replication')).includes('state=online'))
    const sentinel = keep(await startSentinel(primary, [replica]))
    return { topology: 'sentinel', ports: [sentinel.port], copies: 1 }
  }
  const cluster = async (): Promise<GroupServers> => {
    const servers = await startCluster(3, 1)
    servers.forEach(keep)
    return { topology: 'cluster', ports: servers.map(({ port }) => port), copies: 1 }
  }
  function keep<S extends Pick<Server, 'stop'>>(server: S): S {
    running.push(server)
    return server
  }
  return {
    groups: await groupsOf(mode, { one, watched, cluster }),
    async [Symbol.asyncDispose]() {
      await Promise.all(running.map((server) => server.stop()))
    }
  }
}

type Starters = Readonly<Record<'one' | 'watched' | 'cluster', () => Promise<GroupServers>>>

async function groupsOf(mode: Mode, { one, watched, cluster }: Starters): Promise<readonly GroupServers[]> {
  switch (mode) {
    case 'sqlite':
      return []
    case 'shared':
      return [await one()]
    case 'state-servers':
      return [await watched()]
    case 'subclusters':
      return [await one(), await one()]
    case 'adaptive':
      return [await cluster()]
    case 'regions':
      return [await cluster(), await cluster()]
  }
}
