import type { Clock } from '../../platform/clock.ts'
import { createRounds } from '../../platform/rounds.ts'
import { type Dial, type Link, LinkLost, openLink, type Reply } from './link.ts'
import { type NodeAccess, type NodeAddress, nameOf } from './node-address.ts'
import { causeOfAll } from './refusal.ts'
import { createPrimary, type Primary } from './primary.ts'
import { askEveryMs, openSentinels, type Sentinels } from './sentinels.ts'
import { slotsTotal } from './slots.ts'

/** How the servers of a store belong together. */
export type TopologyKind =
  | { readonly kind: 'standalone' }
  /** Sentinels that know who the primary of `master` is. */
  | { readonly kind: 'sentinel'; readonly master: string }
  | { readonly kind: 'cluster' }

export interface TopologyOptions {
  readonly topology: TopologyKind
  /** The server; sentinels; or some nodes of the cluster, of which one has to answer. */
  readonly nodes: readonly NodeAddress[]
  readonly access: NodeAccess
  readonly dial?: Dial
  readonly clock: Clock
  /** Milliseconds that pass evenly, whatever is done to the date of this machine. */
  readonly steadyMs: () => number
  readonly label: string
  readonly copies: number
  readonly copyWaitMs: number
  readonly isOnDisk: boolean
  /** See {@link PrimaryOptions.isPlain}. */
  readonly isPlain?: boolean
  /** A listed server does not answer, or keeps this process out; another one did answer, or will be asked. */
  readonly onSilent?: (node: NodeAddress, error: unknown) => void
  /** A majority of the sentinels confirms the primary no longer, so that it is not used within a second, or does so again. */
  readonly onConfirmed?: (isConfirmed: boolean) => void
}

/** A primary that no majority of the sentinels names any more: another one may have taken over long ago. */
export class Unconfirmed extends Error {
  override readonly name = 'Unconfirmed'
}

/** Who takes the writes of which slot, as far as is known. */
export interface Topology {
  /**
   * @throws LinkLost when nobody is known
   * @throws Unconfirmed when the sentinels do not say any more that it is that one
   */
  primaryOf(slot: number): Primary
  /** A server of this address, known or not. */
  primaryAt(address: NodeAddress): Primary
  /** Asks again who is who; many callers at once ask once. */
  refresh(): Promise<void>
  /** The cluster said where a slot is. */
  moved(slot: number, address: NodeAddress): void
  primaries(): readonly Primary[]
  /** False: sentinels were asked, and no majority names a primary before the last word of one is over. */
  readonly isConfirmed: boolean
  /** Where sentinels say who is who. */
  readonly sentinels?: Pick<Sentinels, 'told'>
  close(): void
}

/** Finds out who is who. @throws LinkLost when no node answers */
export async function openTopology(options: TopologyOptions): Promise<Topology> {
  const known = new Map<string, Primary>()
  const slots: (Primary | undefined)[] = []
  /** Those that have slots: the slots are too many to be looked through for every question. */
  let used: readonly Primary[] = []
  let refreshing: Promise<void> | undefined
  const { topology: kind } = options
  const sentinels = kind.kind === 'sentinel' ? openSentinels({ ...options, master: kind.master }) : undefined
  let isConfirmed = true

  const primaryAt = (address: NodeAddress): Primary => {
    const name = nameOf(address)
    const primary = known.get(name) ?? createPrimary({ ...options, address })
    known.set(name, primary)
    return primary
  }
  /** What was taken last: many who wait ask again and again, and mostly nothing has changed. */
  let taken = ''
  const take = (ranges: readonly Range[]): void => {
    const text = JSON.stringify(ranges)
    if (text === taken) return
    taken = text
    for (const { from, to, address } of ranges) slots.fill(primaryAt(address), from, to + 1)
    count()
    for (const [name, primary] of known) {
      if (used.includes(primary)) continue
      known.delete(name)
      primary.close()
    }
  }
  const count = (): void => {
    used = [...new Set(slots)].filter((primary) => primary !== undefined)
  }
  const heard = (now: boolean): void => {
    if (sentinels === undefined || now === isConfirmed) return
    isConfirmed = now
    options.onConfirmed?.(now)
  }
  slots.length = slotsTotal
  const topology: Topology = {
    primaryOf(slot) {
      const primary = slots[slot]
      if (primary === undefined) throw new LinkLost(`no server is known for slot ${slot}`)
      if (sentinels?.confirms(primary.name) === false) throw new Unconfirmed(`no majority of the sentinels confirms ${primary.name}`)
      return primary
    },
    primaryAt,
    refresh() {
      refreshing ??= look(options, sentinels, [...known.keys()])
        .then(take)
        .then(
          () => heard(true),
          (error: unknown) => {
            // One round says little: the answer of a slow sentinel may belong to the one before. The next may still come in time.
            if ((sentinels?.confirmedForMs ?? 0) <= askEveryMs) heard(false)
            throw error
          }
        )
        .finally(() => {
          refreshing = undefined
        })
      return refreshing
    },
    moved(slot, address) {
      taken = ''
      slots[slot] = primaryAt(address)
      count()
    },
    primaries: () => used,
    ...(sentinels === undefined ? {} : { sentinels }),
    get isConfirmed() {
      return isConfirmed && sentinels?.confirmedForMs !== 0
    },
    close() {
      void rounds.stop()
      sentinels?.close()
      for (const primary of known.values()) primary.close()
    }
  }
  /** The former primary answers on where it is cut off together with this process: only the sentinels know. */
  const rounds = createRounds(options.clock, async () => {
    const beganMs = options.steadyMs()
    await topology.refresh().catch(() => undefined)
    return Math.max(0, askEveryMs - (options.steadyMs() - beganMs))
  })
  try {
    await topology.refresh()
  } catch (error) {
    topology.close()
    throw error
  }
  if (sentinels !== undefined) rounds.start()
  return topology
}

/** Slots and who takes their writes. */
interface Range {
  readonly from: number
  readonly to: number
  readonly address: NodeAddress
}

async function look(options: TopologyOptions, sentinels: Sentinels | undefined, known: readonly string[]): Promise<readonly Range[]> {
  const all = { from: 0, to: slotsTotal - 1 }
  if (sentinels !== undefined) return [{ ...all, address: await sentinels.primary() }]
  switch (options.topology.kind) {
    case 'sentinel':
    case 'standalone': {
      const [address] = options.nodes
      if (address === undefined) throw new LinkLost('there is no server')
      return [{ ...all, address }]
    }
    case 'cluster': {
      const nodes = [...options.nodes, ...known.filter((name) => name.includes(':')).map(addressOf)]
      return firstAnswer(options, nodes, rangesAt)
    }
  }
}

/** Asks one after the other until one answers usefully. */
async function firstAnswer<T>(options: TopologyOptions, nodes: readonly NodeAddress[], ask: (link: Link, address: NodeAddress) => Promise<T>): Promise<T> {
  const reasons: unknown[] = []
  for (const address of nodes) {
    let link: Link | undefined
    try {
      link = await openLink({ ...options, address, label: `${options.label}-look` })
      return await ask(link, address)
    } catch (error) {
      reasons.push(error)
      options.onSilent?.(address, error)
    } finally {
      link?.close()
    }
  }
  throw new LinkLost(`none of ${nodes.map(nameOf).join(', ')} answers`, { cause: causeOfAll(reasons, nodes.length) })
}

async function rangesAt(link: Link, { host }: NodeAddress): Promise<readonly Range[]> {
  const reply = await link.send(['CLUSTER', 'SLOTS'])
  if (!Array.isArray(reply) || reply.length === 0) throw new LinkLost('the node knows no slots')
  return (reply as readonly Reply[]).map((entry) => {
    const [from, to, primary] = entry as readonly Reply[]
    return { from: Number(from), to: Number(to), address: pairOf(primary ?? null, host) }
  })
}

/** Host and port of an answer; a node that does not know its own name is where it was asked. */
function pairOf(reply: Reply, askedAt: string): NodeAddress {
  const [host, port] = (reply ?? []) as readonly Reply[]
  if (port === undefined || port === null) throw new LinkLost('the answer names no server')
  return { host: typeof host === 'string' && host !== '' && host !== '?' ? host : askedAt, port: Number(port) }
}

/** `host:port` as servers write it. */
export function addressOf(text: string): NodeAddress {
  const at = text.lastIndexOf(':')
  return { host: text.slice(0, at), port: Number(text.slice(at + 1)) }
}
