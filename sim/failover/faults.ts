import type { Clock } from '../../packages/curfew/src/platform/clock.ts'
import type { SimCluster } from '../redis/cluster.ts'
import type { Network } from '../redis/network.ts'
import type { SimServer } from '../redis/server.ts'

/** What may be broken by a fault, and told. */
export interface Breakable {
  readonly clock: Clock
  readonly network: Network
  readonly cluster: SimCluster
  readonly fraction: () => number
  readonly tell: (what: string) => void
  /** Hosts of the nodes of Curfew. */
  readonly hosts: () => readonly string[]
  /** A node dies; another process comes in its place. */
  readonly killNode: () => void
}

type Fault = (world: Breakable) => void

function any<T>(list: readonly T[], fraction: () => number): T {
  const chosen = list[Math.floor(fraction() * list.length)]
  if (chosen === undefined) throw new RangeError('nothing to choose from')
  return chosen
}

/** Some seconds, now shorter and now longer than the others wait until they take a silent server for failed. */
function awhile({ fraction }: Breakable): number {
  return fraction() < 0.5 ? fraction() * 1_500 : 1_500 + fraction() * 6_000
}

function serverOf(world: Breakable): SimServer {
  const primary = any(world.cluster.primaries, world.fraction)
  return world.fraction() < 0.7 ? primary : any(world.cluster.copiesOf(primary), world.fraction)
}

function kill(world: Breakable, server: SimServer): void {
  const { clock, cluster, fraction, tell } = world
  const how = fraction() < 0.5 ? 'killed' : 'lost'
  const isPrimary = cluster.primaries.includes(server)
  if (!server.isUp) return
  tell(`${isPrimary ? 'the primary' : 'the copy'} ${server.name} is ${how}`)
  server.kill(how)
  clock.after(500 + awhile(world), () => {
    tell(`${server.name} comes back`)
    cluster.restart(server)
  })
}

const faults: readonly Fault[] = [
  (world) => world.killNode(),
  (world) => kill(world, serverOf(world)),
  function standStill(world) {
    const { clock, tell } = world
    const server = serverOf(world)
    if (!server.isUp) return
    tell(`${server.name} stands still`)
    server.stop()
    clock.after(awhile(world), () => {
      if (server.isUp || !server.isRunning) return
      tell(`${server.name} goes on`)
      server.resume()
    })
  },
  function isolate(world) {
    const { clock, network, cluster, fraction, tell } = world
    const server = serverOf(world).name
    const host = any(world.hosts(), fraction)
    const cut = any([[server], [server, host], [host]], fraction)
    tell(`${cut.join(' and ')} can not reach anybody else`)
    network.isolate(cluster.name, cut)
    clock.after(awhile(world), () => {
      tell('everybody can reach everybody')
      network.isolate(cluster.name, [])
    })
  },
  function lagBehind(world) {
    const { clock, cluster, fraction, tell } = world
    const server = any(cluster.primaries, fraction)
    server.copyLagMs = fraction() < 0.5 ? 20 + fraction() * 120 : 150 + fraction() * 2_000
    tell(`the copies of ${server.name} are ${Math.round(server.copyLagMs)} ms behind`)
    if (fraction() < 0.7) clock.after(fraction() * 1_500, () => kill(world, server))
    clock.after(awhile(world), () => void (server.copyLagMs = 0))
  },
  function breakConnections(world) {
    const { cluster, fraction, tell } = world
    const server = any(cluster.primaries, fraction)
    tell(`connections to ${server.name} break`)
    for (let i = 0; i < 3; i++) server.reset(fraction)
  }
]

export function strike(world: Breakable): void {
  any(faults, world.fraction)(world)
}

/** Everything works again. */
export function mend({ network, cluster }: Pick<Breakable, 'network' | 'cluster'>): void {
  network.isolate(cluster.name, [])
  for (const server of cluster.servers) {
    server.copyLagMs = 0
    if (server.isUp) continue
    if (server.isRunning) server.resume()
    else cluster.restart(server)
  }
}
