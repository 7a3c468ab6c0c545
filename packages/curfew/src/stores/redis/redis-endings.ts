import { LRUCache } from 'lru-cache'
import type { EndingKind, EndingsLog, EndingsReader } from '../endings-log.ts'
import { storeError } from '../store-error.ts'
import { endingsFindings } from './endings-checks.ts'
import { LinkLost, type Reply } from './link.ts'
import type { Primary } from './primary.ts'
import { whyOf } from './refusal.ts'
import { sentinelFindings } from './sentinel-checks.ts'
import { slotOfTag } from './slots.ts'
import type { Finding } from './start-checks.ts'
import { openTopology, type Topology, type TopologyOptions } from './topology.ts'

export interface RedisEndingsOptions extends Omit<TopologyOptions, 'copyWaitMs' | 'isOnDisk' | 'isPlain'> {
  /** What every key starts with. */
  readonly prefix: string
  /** How long an ending may matter to this gateway; entries stay as long as they matter to any that uses the servers. */
  readonly keepMs: number
  /** True: what fewer than `copies` replicas confirmed is not told yet. Otherwise the server that takes the writes is enough. */
  readonly needsCopies: boolean
  /** What an operator should know of a server, asked of each that takes the writes, and of the sentinels. Absent: nothing is looked at. */
  readonly onWarning?: (finding: Finding) => void
}

/** Both streams lie in one hash slot, so that one question covers them. */
const tag = 'gateway'
/** What anybody can send is kept in so many entries, about. */
export const unsignedEntriesMax = 50_000
/** Clocks of gateways and servers may be apart by so much before an entry goes too early. */
const keepMoreMs = 3_600_000
const copyWaitMs = 150
const pageEntries = 1_000
/** How long a question waits for news; what is known is never older by much more. */
const blockMs = 500
const againMs = 250
/** Sentinels and clusters are asked so often who takes the writes: the former one may go on answering. */
const lookMs = 2_000
/** Everybody says so often how long entries matter to it. */
const announceMs = 600_000

/** How long entries matter to any gateway that uses a server. */
interface Longest {
  readonly server: Primary
  readonly atMs: number
  readonly ms: number
}

/** Entries that too few copies have yet are known by their text, so that they are not written twice: as many as may wait. */
const unconfirmedMax = 11_000

/** An entry that one server has. */
interface Entry {
  readonly server: Primary
  readonly id: string
}

interface Positions {
  readonly told: string
  readonly unsigned: string
}

const start: Positions = { told: '0-0', unsigned: '0-0' }

/**
 * The log in two streams of Redis. Whoever reads asks again from the start after every interruption: a server that took
 * over may know less than the former one, and gives numbers anew. Nothing is connected to before it is needed.
 */
export function openRedisEndings(options: RedisEndingsOptions, reader: EndingsReader): EndingsLog {
  const { prefix, clock, steadyMs, keepMs } = options
  const keys = { told: `${prefix}{${tag}}:endings`, unsigned: `${prefix}{${tag}}:frames`, longest: `${prefix}{${tag}}:longest` }
  const state = { isClosed: false, topology: undefined as Promise<Topology> | undefined }
  const topology = (): Promise<Topology> => {
    if (state.isClosed) return Promise.reject(new LinkLost('the log is closed'))
    state.topology ??= openTopology({ ...options, copyWaitMs, isOnDisk: false, isPlain: true }).catch((error: unknown) => {
      state.topology = undefined
      throw error
    })
    return state.topology
  }
  const primary = async (): Promise<Primary> => (await topology()).primaryOf(slotOfTag(tag))
  /** Another server may take the writes by now. */
  const lookAgain = async (): Promise<void> => {
    if (state.topology !== undefined) await (await state.topology).refresh()
  }
  let longest: Longest | undefined
  /** A gateway whose sessions are shorter takes nothing from those with longer ones. Members of a sorted set only grow (`GT`). */
  const longestMs = async (server: Primary): Promise<number> => {
    if (longest?.server === server && steadyMs() - longest.atMs < announceMs) return longest.ms
    const atMs = steadyMs()
    const [, { reply }] = await Promise.all([
      server.write(['ZADD', keys.longest, 'GT', String(Math.ceil(keepMs)), 'ms']),
      server.write(['ZSCORE', keys.longest, 'ms'])
    ])
    const ms = Math.max(keepMs, Number(reply))
    // Whoever needs it keeps it; without them it goes once no session of theirs is left.
    if (ms === keepMs) await server.write(['PEXPIRE', keys.longest, String(Math.ceil(keepMs + 2 * keepMoreMs))])
    longest = { server, atMs, ms }
    return ms
  }
  const pause = (ms: number): Promise<void> => new Promise((resolve) => void clock.after(ms, resolve))
  const follow = async (): Promise<void> => {
    let at = start
    let server: Primary | undefined
    let lookedAtMs = steadyMs()
    while (!state.isClosed) {
      try {
        const askedAtMs = steadyMs()
        if (options.topology.kind !== 'standalone' && askedAtMs - lookedAtMs >= lookMs) {
          lookedAtMs = askedAtMs
          await lookAgain()
        }
        const now = await primary()
        if (now !== server) {
          at = start
          if (server === undefined) await lookAtSentinels(await topology(), options)
          await lookAt(now, options)
        }
        server = now
        await longestMs(now)
        const question = ['XREAD', 'COUNT', String(pageEntries), 'BLOCK', String(blockMs), 'STREAMS', keys.told, keys.unsigned, at.told, at.unsigned]
        const page = pageOf(await now.read(question), keys, at)
        if (page.texts.length > 0) reader.take(page.texts)
        at = page.at
        if (page.isWhole) reader.complete(askedAtMs)
      } catch (error) {
        if (state.isClosed) return
        at = start
        longest = undefined
        reader.onProblem(error)
        await lookAgain().catch(() => undefined)
        await pause(againMs)
      }
    }
  }
  const unconfirmed = new LRUCache<string, Entry>({ max: unconfirmedMax })
  /** There is still what was written before: the server may have been restarted, or emptied. */
  const has = async ({ server, id }: Entry, key: string): Promise<boolean> => {
    const page = (await server.read(['XREAD', 'COUNT', '1', 'STREAMS', key, idBefore(id)])) as
      | readonly [readonly [string, readonly (readonly [string])[]]]
      | null
    return page?.[0]?.[1]?.[0]?.[0] === id
  }
  const write = async (kind: EndingKind, text: string): Promise<void> => {
    const key = keys[kind]
    const server = await primary()
    const neededMs = await longestMs(server)
    const bound = kind === 'told' ? ['MINID', '~', String(Math.floor(clock.nowMs() - neededMs - keepMoreMs))] : ['MAXLEN', '~', String(unsignedEntriesMax)]
    // Where nothing ends any more the stream goes as a whole. Copies that confirm this have what was written before it.
    const keep = ['PEXPIRE', key, String(Math.ceil(neededMs + 2 * keepMoreMs))]
    const before = unconfirmed.get(text)
    const isThere = before?.server === server && (await has(before, key))
    const added = isThere ? undefined : server.write(['XADD', key, ...bound, '*', 'e', text])
    const [written, { copies }] = await Promise.all([added, server.write(keep)])
    const confirmed = written === undefined ? copies : Math.min(copies, written.copies)
    if (!options.needsCopies || confirmed >= options.copies) {
      unconfirmed.delete(text)
      return
    }
    if (written !== undefined) unconfirmed.set(text, { server, id: String(written.reply) })
    throw new TooFewCopies(`${Math.max(0, confirmed)} of ${options.copies} copies confirmed it`)
  }
  const following = follow()
  return {
    async append(kind, text) {
      try {
        await write(kind, text).catch(async (error: unknown) => {
          // They had their time: it is sent again with what waits.
          if (error instanceof TooFewCopies) throw error
          await lookAgain()
          await write(kind, text)
        })
      } catch (cause) {
        throw storeError('CURFEW_STORE_UNREACHABLE', { why: whyOf(cause) }, cause)
      }
    },
    async close() {
      state.isClosed = true
      const known = await state.topology?.catch(() => undefined)
      known?.close()
      await following
    }
  }
}

class TooFewCopies extends Error {}

/** The last id that is smaller; no entry has the sequence number that an id ends with at most. */
function idBefore(id: string): string {
  const [ms = '0', sequence = '0'] = id.split('-')
  return sequence === '0' ? `${BigInt(ms) - 1n}-${lastSequence}` : `${ms}-${BigInt(sequence) - 1n}`
}

const lastSequence = 2n ** 64n - 1n

/**
 * Looks at the server that takes the writes now, before a gateway starts. Where none can be reached the gateway starts all the
 * same, and says what it finds once there is one.
 * @throws CURFEW_STORE_UNSUITABLE
 */
export async function checkEndingsServer(options: Omit<TopologyOptions, 'copyWaitMs' | 'isOnDisk' | 'isPlain'>): Promise<void> {
  const topology = await openTopology({ ...options, copyWaitMs, isOnDisk: false, isPlain: true }).catch(() => undefined)
  try {
    const found = topology === undefined ? [] : await endingsFindings(topology.primaryOf(slotOfTag(tag)))
    const unfit = found.find(({ isUnfit }) => isUnfit)
    if (unfit !== undefined) throw storeError('CURFEW_STORE_UNSUITABLE', { server: unfit.server, why: `${unfit.what}; ${unfit.fix}` })
  } catch (error) {
    if (!(error instanceof LinkLost)) throw error
  } finally {
    topology?.close()
  }
}

/** One that takes over later is not refused: that would sign everybody out. */
async function lookAt(server: Primary, { onWarning }: RedisEndingsOptions): Promise<void> {
  if (onWarning === undefined) return
  for (const { isUnfit: _isUnfit, ...finding } of await endingsFindings(server)) onWarning(finding)
}

async function lookAtSentinels({ sentinels }: Topology, { nodes, onWarning }: RedisEndingsOptions): Promise<void> {
  if (sentinels === undefined || onWarning === undefined) return
  for (const finding of await sentinelFindings(sentinels, nodes, 'gateway.shared.nodes')) onWarning(finding)
}

interface Page {
  readonly texts: readonly string[]
  readonly at: Positions
  /** There was no more at the time of the question. */
  readonly isWhole: boolean
}

/** Streams without news are not in the answer; without any there is none. */
function pageOf(reply: Reply, keys: Positions, at: Positions): Page {
  const page = { texts: [] as string[], at: { ...at }, isWhole: true }
  for (const stream of (reply ?? []) as readonly (readonly [string, readonly (readonly [string, readonly string[]])[]])[]) {
    const [key, entries] = stream
    const kind = key === keys.told ? 'told' : 'unsigned'
    for (const [id, fields] of entries) {
      const [, text] = fields
      if (text !== undefined) page.texts.push(text)
      page.at[kind] = id
    }
    if (entries.length >= pageEntries) page.isWhole = false
  }
  return page
}
