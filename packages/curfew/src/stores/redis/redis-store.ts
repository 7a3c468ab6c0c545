import { isCurfewError } from '@curfew/codecs'
import { LRUCache } from 'lru-cache'
import type { SessionId } from '../../core/ids.ts'
import type { Clock } from '../../platform/clock.ts'
import { storeError } from '../store-error.ts'
import type { Replication } from '../fact.ts'
import type { FactStore } from '../fact-store.ts'
import type { EffectClaim, Store, StoreDescription } from '../store.ts'
import { type CopiesWatch, type MissingCopies, watchCopies } from './copies-watch.ts'
import { createEntrySweep, type EntrySweep } from './entry-sweep.ts'
import { fullServerError } from './full-server.ts'
import { createGate, type Gate } from './gate.ts'
import { createKeys } from './keys.ts'
import { type Dial, LinkLost } from './link.ts'
import { createNodes, type Nodes } from './nodes.ts'
import { nameOf, type NodeAccess, type NodeAddress } from './node-address.ts'
import { redisArtifacts } from './redis-artifacts.ts'
import { type RedisContext, total } from './redis-context.ts'
import { beginEpoch, redisFacts } from './redis-facts.ts'
import { createFeed } from './redis-feed.ts'
import { redisLate } from './redis-late.ts'
import { purge } from './redis-purge.ts'
import { redisRuns } from './redis-runs.ts'
import { redisServices } from './redis-services.ts'
import { redisSessions } from './redis-sessions.ts'
import { createTeller } from './redis-teller.ts'
import { refusalIn, whyOf } from './refusal.ts'
import { createShards, type Shards } from './shards.ts'
import { slotOfTag } from './slots.ts'
import { checkServers, type Finding } from './start-checks.ts'
import { createStoreClock, type StoreClock } from './store-clock.ts'
import { openTopology, type Topology, type TopologyKind } from './topology.ts'

export interface RedisStoreOptions {
  readonly topology: TopologyKind
  readonly nodes: readonly NodeAddress[]
  readonly access: NodeAccess
  /** Another way to the servers than sockets. */
  readonly dial?: Dial
  /** The clock of this machine. */
  readonly clock: Clock
  /** Milliseconds that pass evenly, whatever is done to the date of this machine. */
  readonly steadyMs: () => number
  /** Live sessions at most; more are refused, none is evicted. */
  readonly capacity: number
  /** What every key starts with: two stores may share servers. */
  readonly prefix: string
  /** A power of two, at most 1024; the one the store was made with, for ever. */
  readonly buckets: number
  /** Copies beside the primary that have to confirm a write: 0 asks nobody. */
  readonly copies: number
  /** How long copies may take to confirm, in milliseconds; less than a connection may be silent. */
  readonly copyWaitMs: number
  /**
   * `strict` turns a write that too few copies have into an error; endings are taken all the same. `fsync` does so, too, and
   * has it only where it is on the disk, of the primary as well.
   */
  readonly ack: 'degraded' | 'strict' | 'fsync'
  /** Servers that write nothing to disk will do. */
  readonly isVolatile: boolean
  /** Lines of the audit log that are kept; 0 keeps all. */
  readonly auditMax: number
  /** Absent: nothing is told to other regions. */
  readonly replication?: Replication
  /** Name of this process in the lists of the servers. */
  readonly label: string
  /** Tells this process from every other; never used twice. */
  readonly token: string
  /** The name of this node went to another process, or the store did not answer when it was to be kept. */
  readonly onNameLost?: (error: unknown) => void
  /** What the servers are told to do is not what this store needs, but can be lived with. */
  readonly onWarning?: (finding: Finding) => void
  /** A primary has fewer copies than asked for, found at the start or later; and one that has them again. */
  readonly onCopiesMissing?: (missing: MissingCopies) => void
  readonly onCopiesBack?: (server: string) => void
  /** No majority of the sentinels confirms the primary any more, so that it is not used within a second, or one does again. */
  readonly onConfirmed?: (isConfirmed: boolean) => void
  /** A pass over what leads nowhere was given up, and begins from the start. */
  readonly onSweepFailed?: (error: unknown) => void
  /** The clock of this machine has left the time of the store by more than a second, and is back. */
  readonly onClockApart?: (machineAheadMs: number) => void
  readonly onClockTogether?: () => void
}

const runSessionsMax = 50_000

/** The store that many processes share, on Redis or Valkey. */
export interface RedisStore extends Store {
  /** Facts that too few copies have yet. */
  readonly owed: number
  /** Primaries with fewer copies than asked for, as of the last look. */
  readonly missingCopies: readonly MissingCopies[]
  /** The time that all processes on the store go by: every time that is given to the store is one of this clock. */
  readonly clock: Clock
  /** The processes that share the store. */
  readonly nodes: Nodes
  /** Removes what leads nowhere, once it is started. */
  readonly sweep: EntrySweep
  /** Where a session is kept. */
  whereIs(sessionId: SessionId): Promise<Place>
}

/** One bucket, the server that takes its writes, and the copies it has. */
export interface Place {
  readonly bucket: number
  readonly slot: number
  readonly primary: string
  readonly copies: readonly string[]
}

/**
 * Opens the store: finds the servers, looks at how they are set up, loads the functions.
 *
 * @throws CURFEW_STORE_UNREACHABLE when no server answers
 * @throws CURFEW_STORE_REFUSED when all of them do not let this process in, by its password or a certificate
 * @throws CURFEW_STORE_UNSUITABLE when they would lose what they acknowledged, or the store was made in another way
 */
export async function openRedisStore(options: RedisStoreOptions): Promise<RedisStore> {
  const { topology, clock } = await findServers(options)
  const copiesWatch = watchCopies({
    topology,
    clock,
    copies: options.copies,
    onMissing: (missing) => options.onCopiesMissing?.(missing),
    onMended: (server) => options.onCopiesBack?.(server)
  })
  // How long a call may take is no matter of dates: the time of the store may be set meanwhile.
  const patience: Clock = { nowMs: options.steadyMs, after: (delayMs, fn) => clock.after(delayMs, fn) }
  const shards = createShards({ topology, clock: patience, copies: options.copies, isStrict: options.ack !== 'degraded' })
  const context: RedisContext = {
    shards,
    keys: createKeys(options.prefix, options.buckets),
    capacity: options.capacity,
    teller: createTeller(options.replication),
    auditMax: options.auditMax,
    runSessions: new LRUCache({ max: runSessionsMax })
  }
  const feed = createFeed(context, options.token, options.steadyMs)
  const gate = createGate()
  const runs = redisRuns(context)
  const sessions = redisSessions(context, feed, () => clock.nowMs())
  const late = redisLate(context)
  const { replication, token } = options
  await beginEpoch(context, replication, token)
  clock.start()
  await copiesWatch.look()
  if (options.copies > 0) copiesWatch.start()
  /** Another process has the name of this one, and with it whatever is held under it. */
  let hasLostName = false
  const releaseEffects: typeof runs.releaseEffects = async (owner) => (hasLostName ? { value: 0, durability: 'local' } : runs.releaseEffects(owner))
  const nodes = createNodes(context, {
    clock,
    token: options.token,
    onLost(error) {
      hasLostName ||= isCurfewError(error) && error.code === 'CURFEW_STORE_NODE_TAKEN'
      options.onNameLost?.(error)
    },
    release: (node) => runs.releaseEffects(node)
  })
  const onFailed = (error: unknown): void => options.onSweepFailed?.(error)
  const sweep = createEntrySweep({ context, topology, prefix: options.prefix, clock, steadyMs: options.steadyMs, token, onFailed })
  const owners = new Set<string>()
  return {
    ...gate.guard({
      ...sessions,
      ...runs,
      ...redisServices(context, feed, options.token),
      ...redisArtifacts(context, options.token, () => nodes.format),
      claimEffects(claim: EffectClaim) {
        owners.add(claim.owner)
        return runs.claimEffects(claim)
      },
      releaseEffects,
      purge: (nowMs: number, keepRunsMs: number, max: number) => purge(context, feed, { nowMs, keepRunsMs, max }),
      describe: () => describe(context, options, { topology, shards, copiesWatch, clock, sweep })
    }),
    get owed() {
      return shards.owed
    },
    get missingCopies() {
      return copiesWatch.missing
    },
    clock,
    nodes,
    sweep,
    late: gate.guard(late),
    ...(replication === undefined ? {} : { facts: guardFacts(gate, redisFacts(context, { feed, late, lists: { ...sessions, ...runs }, replication, token })) }),
    whereIs: (sessionId) => placeOf(topology, context, sessionId),
    async [Symbol.asyncDispose]() {
      await gate.close()
      // What this process held goes on elsewhere at once; a crash leaves it until its leases end.
      await Promise.allSettled([...owners].map((owner) => releaseEffects(owner)))
      owners.clear()
      await nodes.leave().catch(() => undefined)
      await sweep.stop()
      await copiesWatch.stop()
      await clock.stop()
      shards.close()
    }
  }
}

function guardFacts(gate: Gate, { group, ...calls }: FactStore): FactStore {
  return { ...gate.guard(calls), group }
}

/** The servers, and the time that they go by. */
async function findServers(options: RedisStoreOptions): Promise<{ readonly topology: Topology; readonly clock: StoreClock }> {
  let topology: Topology | undefined
  try {
    topology = await openTopology({
      ...options,
      isOnDisk: options.ack === 'fsync',
      onSilent: (node, error) => options.onWarning?.(silence(node, error))
    })
    await checkServers(topology, options)
    const clock = storeClockOn(topology, options)
    await clock.look()
    return { topology, clock }
  } catch (error) {
    topology?.close()
    const nodes = options.nodes.map(nameOf).join(', ')
    const refusal = refusalIn(error)
    if (refusal !== undefined) throw storeError('CURFEW_STORE_REFUSED', { nodes, why: refusal.why }, error)
    if (!(error instanceof LinkLost)) throw fullServerError(error) ?? error
    throw storeError('CURFEW_STORE_UNREACHABLE', { nodes, why: whyOf(error) }, error)
  }
}

/** What an operator should know of a listed server that gave no answer. */
function silence(node: NodeAddress, error: unknown): Finding {
  const server = nameOf(node)
  const refusal = refusalIn(error)
  if (refusal === undefined) return { server, what: `does not answer: ${whyOf(error)}`, fix: 'start it, or take it out of store.redis.nodes' }
  const what = `keeps this node out: ${refusal.why}`
  switch (refusal.of) {
    case 'password':
      return { server, what, fix: 'correct store.redis.username and store.redis.password' }
    case 'certificate':
      return { server, what, fix: 'correct store.redis.ca, certificate and key, or the certificate of the server' }
  }
}

function storeClockOn(topology: Topology, options: RedisStoreOptions): StoreClock {
  return createStoreClock({
    primaries: () => topology.primaries(),
    machine: options.clock,
    steadyMs: options.steadyMs,
    onApart: (machineAheadMs) => options.onClockApart?.(machineAheadMs),
    onTogether: () => options.onClockTogether?.(),
    onServerApart: (server, aheadMs) =>
      options.onWarning?.({ server, what: `its clock is ${aheadMs} ms ahead of the time of the store`, fix: 'set the clocks of all servers by NTP' })
  })
}

async function placeOf(topology: Topology, { keys }: RedisContext, sessionId: SessionId): Promise<Place> {
  const { index, tag } = keys.ofSession(sessionId)
  const slot = slotOfTag(tag)
  const primary = topology.primaryOf(slot)
  const info = String(await primary.read(['INFO', 'replication']))
  const copies = [...info.matchAll(/^slave\d+:ip=([^,]+),port=(\d+),state=(\w+)/gm)].map(([, host, port, state]) => `${host}:${port} ${state}`)
  return { bucket: index, slot, primary: primary.name, copies }
}

interface Watched {
  readonly topology: Topology
  readonly shards: Shards
  readonly copiesWatch: CopiesWatch
  readonly clock: StoreClock
  readonly sweep: EntrySweep
}

async function describe(
  context: RedisContext,
  { nodes, copies, topology: { kind } }: RedisStoreOptions,
  { topology, shards, copiesWatch, clock, sweep }: Watched
): Promise<StoreDescription> {
  const [liveSessions, openRuns, pendingEffects] = await Promise.all([
    total(context, 'ZCARD', 'due'),
    total(context, 'SCARD', 'open'),
    total(context, 'ZCARD', 'ready')
  ])
  return {
    kind: 'redis',
    location: `${kind} ${nodes.map(nameOf).join(', ')}`,
    durability: durabilityOf(copies, { topology, shards, copiesWatch }),
    liveSessions,
    openRuns,
    pendingEffects,
    clockAheadMs: Math.round(clock.machineAheadMs),
    sweptEntries: sweep.dropped
  }
}

/** How safe writes are now. */
function durabilityOf(copies: number, { topology, shards, copiesWatch }: Omit<Watched, 'clock' | 'sweep'>): StoreDescription['durability'] {
  if (!topology.isConfirmed) return 'degraded'
  if (copies === 0) return 'local'
  return shards.owed > 0 || copiesWatch.missing.length > 0 ? 'degraded' : 'replicated'
}
