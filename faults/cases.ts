import { globSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { until } from '../packages/curfew/test/stores/redis/servers.ts'
import type { Verdict } from './judge.ts'
import type { StoreServer } from './redis.ts'
import { createWorld, type World, type WorldOptions } from './world.ts'

/** Where it is played; whatever is left to chance comes from the seed. */
export type Place = Omit<WorldOptions, 'store'> & { readonly seed: number }

/** One fault, done again and again. */
export interface FaultCase {
  /** How `--only` calls it. */
  readonly id: string
  readonly what: string
  /** What somebody who looks after the installation sees meanwhile. */
  readonly sees: string
  /** Why facts may be gone afterwards. Absent: none may. */
  readonly mayLose?: string
  /** Plays so many rounds and tells what each came to as soon as it is over. */
  readonly play: (rounds: number, place: Place, onRound: (verdict: Verdict) => void) => Promise<void>
}

/** Two nodes on a store, and the same fault in every round. */
function struck(store: WorldOptions['store'], strike: (world: World, round: number) => Promise<void>): FaultCase['play'] {
  return async (rounds, place, onRound) => {
    const world = await createWorld({ ...place, store })
    try {
      await Promise.all([world.start('a'), world.start('b')])
      for (let round = 0; round < rounds; round += 1) onRound(await world.round((it) => strike(it, round)))
    } finally {
      await world.close()
    }
  }
}

const isPrimary = async (server: StoreServer): Promise<boolean> => {
  const role = await server.command('ROLE')
  return Array.isArray(role) && role[0] === 'master'
}

/** The first part of the cluster: who takes its writes now, and its copy. */
async function firstPart({ cluster }: World): Promise<{ readonly primary: StoreServer; readonly replica: StoreServer }> {
  if (cluster === undefined) throw new TypeError('this fault needs a cluster')
  return cluster.firstPart()
}

/** Another date for one process, read again every second; the clock of spans stays. */
function fakeTime(file: string): Readonly<Record<string, string>> {
  const library = globSync('/usr/lib/*/faketime/libfaketime.so.1')[0]
  if (library === undefined) throw new Error('libfaketime is not on this machine: apt-get install libfaketime')
  return { LD_PRELOAD: library, FAKETIME_TIMESTAMP_FILE: file, FAKETIME_CACHE_DURATION: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1' }
}

/** How far a clock is off at the start of a node, and from when it has been running for a while. */
const clocks = [
  { before: '+300s', after: '+300s' },
  { before: '-300s', after: '-300s' },
  { before: '+0s', after: '+300s' },
  { before: '+0s', after: '-300s' }
] as const

/** Kills the primary of a part, waits for its copy, starts it again. */
async function killPrimary(world: World): Promise<void> {
  const { primary, replica } = await firstPart(world)
  await primary.kill('SIGKILL')
  await until(() => isPrimary(replica))
  await pause(500)
  await primary.restart('kept')
}

export const storeCases: readonly FaultCase[] = [
  {
    id: 'node-killed',
    what: 'kill -9 of a node of Curfew',
    sees: '`curfew cluster status` shows the node as away after six seconds; its logouts go on at another node then',
    play: struck('cluster', async (world) => {
      await world.nodes.get('a')?.kill()
      world.nodes.delete('a')
      await pause(1_000)
      await world.start('a')
    })
  },
  {
    id: 'clock-skew',
    what: 'the clock of one node is five minutes ahead or behind, or jumps there',
    sees: '`store.clock-apart` (`CURFEW_STORE_CLOCK_APART`) in the log, `curfew_clock_ahead_seconds`, a warning of `curfew doctor`; the node works on',
    play: struck('cluster', async (world, round) => {
      const { before, after } = clocks[round % clocks.length] ?? clocks[0]
      const file = join(world.folder, 'clock')
      writeFileSync(file, `${before}\n`)
      const skewed = await world.start('skewed', { environment: fakeTime(file) })
      await pause(3_000)
      writeFileSync(file, `${after}\n`)
      await until(async () => skewed.said().includes('CURFEW_STORE_CLOCK_APART'), 30_000)
      await pause(5_000)
      await world.retire('skewed')
      if (round % 2 === 0) await skewed.order({ what: 'stop' })
      else await skewed.kill()
    })
  },
  {
    id: 'primary-killed',
    what: 'kill -9 of a primary',
    sees: 'its share of requests waits for the node timeout and the election; then `degraded` until there is a copy again',
    play: struck('cluster', killPrimary)
  },
  {
    id: 'pair-killed',
    what: 'kill -9 of a primary, and of the copy that took over, in turn',
    sees: 'the same twice',
    play: struck('cluster', async (world) => {
      await killPrimary(world)
      await world.cluster?.whole()
      await killPrimary(world)
    })
  },
  {
    id: 'primary-stopped',
    what: 'SIGSTOP of a primary for five seconds: slow, not dead',
    sees: 'as if it were dead; when it goes on it follows the one that took over',
    play: struck('cluster', async (world) => {
      const { primary, replica } = await firstPart(world)
      await primary.kill('SIGSTOP')
      await until(() => isPrimary(replica))
      await pause(1_500)
      await primary.kill('SIGCONT')
    })
  },
  {
    id: 'cut-off-with-client',
    what: 'a primary cut off together with a node of Curfew, for six seconds',
    sees: '`CURFEW_STORE_UNREACHABLE` at that node, and `degraded` before it; the other node works on',
    play: struck('cluster', async (world) => {
      const { primary } = await firstPart(world)
      world.net.apart([primary.host, world.hostOf('a')])
      await pause(6_000)
      world.net.together()
    })
  },
  {
    id: 'cut-off-with-sentinel',
    what: 'a primary that Sentinel watches cut off together with a node of Curfew and one sentinel of three, until a copy has taken over for six seconds',
    sees: '`store.unconfirmed` and [CURFEW_STORE_UNCONFIRMED](reference/errors/CURFEW_STORE_UNCONFIRMED.md) at that node; the other node works on once a copy has taken over',
    play: struck('watched', async (world) => {
      const { primary } = await firstPart(world)
      const others = world.cluster?.servers.filter((server) => server !== primary) ?? []
      const [sentinel] = world.watched?.sentinels ?? []
      if (sentinel === undefined) throw new TypeError('this fault needs sentinels')
      world.net.apart([primary.host, world.hostOf('a'), sentinel.host])
      await until(async () => (await Promise.all(others.map(isPrimary))).includes(true))
      await pause(6_000)
      world.net.together()
    })
  },
  {
    id: 'machine-lost-behind-lag',
    what: 'a machine dies while its copy is behind',
    sees: '`degraded` as soon as the copy is behind; after the takeover what was degraded is sent again',
    play: struck('cluster', async (world) => {
      const { primary, replica } = await firstPart(world)
      replica.host.cut()
      await pause(600)
      primary.host.cut()
      await primary.kill('SIGKILL')
      replica.host.heal()
      await until(() => isPrimary(replica))
      primary.host.heal()
      await primary.restart('kept')
    })
  },
  {
    id: 'restarted-empty',
    what: 'the only server is restarted with an empty disk',
    sees: 'everybody has to sign in again; at the start `appendonly` and copies are asked for',
    mayLose: 'no copy was left',
    play: struck('single', async (world) => {
      await world.server.restart('empty')
    })
  },
  {
    id: 'memory-full',
    what: 'the memory of every primary is full',
    sees: '`CURFEW_STORE_MEMORY_FULL` for sign-ins; signing out works',
    play: struck('cluster', fillMemory)
  }
]

const endedWhenFull = 20

/** Sign-ins are refused and endings are taken while the memory is full. @throws when an ending was refused */
async function fillMemory(world: World): Promise<void> {
  const node = world.nodes.get('a')
  const servers = world.cluster?.servers ?? []
  if (node === undefined) throw new TypeError('node a is there')
  const from = node.events.length
  await node.order({ what: 'open', count: endedWhenFull })
  const tickets = node.events
    .slice(from)
    .flatMap((event) => (event.kind === 'acknowledged' && event.lane === -1 && event.what === 'opened' ? [event.ticket] : []))
  for (const server of servers) await server.command('CONFIG', 'SET', 'maxmemory', '1mb')
  await until(async () => node.events.some((event) => event.kind === 'refused' && event.code === 'CURFEW_STORE_MEMORY_FULL'))
  for (const ticket of tickets) await node.order({ what: 'end', ticket })
  const ended = new Set(node.events.slice(from).flatMap((event) => (event.kind === 'acknowledged' && event.what === 'ended' ? [event.ticket.id] : [])))
  for (const server of servers) await server.command('CONFIG', 'SET', 'maxmemory', '0')
  const refused = tickets.filter(({ id }) => !ended.has(id))
  if (refused.length > 0) throw new Error(`${refused.length} of ${tickets.length} endings were refused while the memory was full`)
}
