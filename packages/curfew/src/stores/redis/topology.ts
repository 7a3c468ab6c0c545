import type { Clock } from '../../platform/clock.ts'
import { type Dial, type Link, LinkLost, openLink, type Reply } from './link.ts'
import { type NodeAccess, type NodeAddress, nameOf } from './node-address.ts'
import { createPrimary, type Primary } from './primary.ts'
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
  readonly label: string
  readonly copies: number
  readonly copyWaitMs: number
  readonly isOnDisk: boolean
  /** See {@link PrimaryOptions.isPlain}. */
  readonly isPlain?: boolean
  /** A listed server does not answer; another one did, or will be asked. */
  readonly onSilent?: (node: NodeAddress) => void
}

/** Who takes the writes of which slot, as far as is known. */
export interface Topology {
  /** @throws LinkLost when nobody is known */
  primaryOf(slot: number): Primary
  /** A server of this address, known or not. */
  primaryAt(address: NodeAddress): Primary
  /** Asks again who is who; many callers at once ask once. */
  refresh(): Promise<void>
  /** The cluster said where a slot is. */
  moved(slot: number, address: NodeAddress): void
  primaries(): readonly Primary[]
  close(): void
}

/** Finds out who is who. @throws LinkLost when no node answers */
export async function openTopology(options: TopologyOptions): Promise<Topology> {
  const known = new Map<string, Primary>()
  const slots: (Primary | undefined)[] = []
  /** Those that have slots: the slots are too many to be looked through for every question. */
  let used: readonly Primary[] = []
  let refreshing: Promise<void> | undefined

  const primaryAt = (address: NodeAddress): Primary => {
    const name = nameOf(address)
    const primary = known.get(name) ?? createPrimary({ ...options, address })
    known.set(name, primary)
    return primary
  }
  const take = (ranges: readonly Range[]): void => {
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
  slots.length = slotsTotal
  const topology: Topology = {
    primaryOf(slot) {
      const primary = slots[slot]
      if (primary === undefined) throw new LinkLost(`no server is known for slot ${slot}`)
      return primary
    },
    primaryAt,
    refresh() {
      refreshing ??= look(
        options,
        [...known.values()].map(({ name }) => name)
      )
        .then(take)
        .finally(() => {
          refreshing = undefined
        })
      return refreshing
    },
    moved(slot, address) {
      slots[slot] = primaryAt(address)
      count()
    },
    primaries: () => used,
    close() {
      for (const primary of known.values()) primary.close()
    }
  }
  await topology.refresh()
  return topology
}

/** Slots and who takes their writes. */
interface Range {
  readonly from: number
  readonly to: number
  readonly address: NodeAddress
}

async function look(options: TopologyOptions, known: readonly string[]): Promise<readonly Range[]> {
  const all = { from: 0, to: slotsTotal - 1 }
  switch (options.topology.kind) {
    case 'standalone': {
      const [address] = options.nodes
      if (address === undefined) throw new LinkLost('there is no server')
      return [{ ...all, address }]
    }
    case 'sentinel': {
      const { master } = options.topology
      const reply = await firstAnswer(options, options.nodes, (link) => link.send(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', master]))
      return [{ ...all, address: pairOf(reply, '') }]
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
      options.onSilent?.(address)
    } finally {
      link?.close()
    }
  }
  throw new LinkLost(`none of ${nodes.map(nameOf).join(', ')} answers`, { cause: reasons.at(-1) })
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
