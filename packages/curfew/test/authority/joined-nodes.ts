import type { FastifyInstance } from 'fastify'
import type { SignalsHome } from '../../src/authority/shared-signals/signals.ts'
import { indexOpener, joinGroups } from '../../src/cli/cluster-setup.ts'
import { serveSignals, signalsAt } from '../../src/cli/signals-home.ts'
import { withForeignState } from '../../src/cluster/foreign-state.ts'
import type { GroupLinks } from '../../src/cluster/group-links.ts'
import { type PullDeps, pullFacts } from '../../src/cluster/pull-facts.ts'
import { catchUpOnRevocations } from '../../src/cluster/pull-revocations.ts'
import { serveReplication } from '../../src/cluster/serve-replication.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { type Clock, systemClock } from '../../src/platform/clock.ts'
import type { Store } from '../../src/stores/store.ts'
import { linksOn, Wire } from '../cluster/link-kit.ts'
import type { NodeStore, NodeStores } from '../support/node-stores.ts'
import { testGroups } from '../support/node-stores.ts'
import type { KitOptions } from './kit.ts'

/** Groups of nodes joined as the composition root joins them, over links that lead to each other's listeners. */
export interface JoinedNodes extends AsyncDisposable {
  /** What the authority of a node works with. */
  readonly nodes: readonly JoinedNode[]
  /** Announces the groups to each other. */
  start(): Promise<void>
  /** Lets every group read what the others have told, until nobody has anything new. */
  settle(): Promise<void>
}

export interface JoinedNode {
  readonly store: Store
  readonly join?: NonNullable<KitOptions['join']>
  readonly signalsHome?: SignalsHome
}

export function joinNodeStores({ nodes, groups }: NodeStores, clock: Clock): JoinedNodes {
  if (groups === 'shared') return { nodes, start: async () => undefined, settle: async () => undefined, [Symbol.asyncDispose]: async () => undefined }
  const wire = new Wire()
  const members = nodes.map((node) => memberOf(wire, node, clock))
  return {
    nodes: members.map((member) => ({
      store: groups === 'regions' ? withForeignState(member.own, member.foreign) : member.own,
      ...(member.home === undefined ? {} : { signalsHome: signalsAt(member.links, member.home) }),
      join: ({ store, engine, locator, connections, clients, signals }, authority: () => FastifyInstance) => {
        member.engine = engine
        if (member.home === undefined) serveSignals(member.links, signals)
        const home = member.home === undefined ? {} : { home: member.home }
        const deps = { store, engine, clock, logger: { debug() {}, error() {} }, openIndex: indexOpener(locator, connections, clients) }
        return joinGroups({ mode: groups, others: member.others, ...home, carriesCodes: true }, member.links, deps, authority)
      }
    })),
    async start() {
      for (const { links } of members) await links.start()
    },
    settle: oneAfterTheOther(async () => {
      while ((await Promise.all(members.map((member) => member.read()))).some((joined) => joined > 0));
    }),
    async [Symbol.asyncDispose]() {
      for (const { links } of members) await links.stop()
    }
  }
}

/** Whoever asks while a round is under way gets the next one, together with all others who do. */
export function oneAfterTheOther(round: () => Promise<void>): () => Promise<void> {
  let last: Promise<void> = Promise.resolve()
  let next: Promise<void> | undefined
  return () => {
    next ??= last.then(() => {
      next = undefined
      last = round()
      return last
    })
    return next
  }
}

interface Member {
  readonly own: Store
  readonly links: GroupLinks
  readonly others: typeof testGroups
  readonly home?: string
  readonly foreign: Parameters<typeof withForeignState>[1]
  engine: Engine | undefined
  /** Reads what is new in the other groups; tells how many facts that were. */
  read(): Promise<number>
}

function withoutWait(body: unknown): unknown {
  return typeof body === 'object' && body !== null && 'waitMs' in body ? { ...body, waitMs: 0 } : body
}

function memberOf(wire: Wire, { store: own, group }: NodeStore, clock: Clock): Member {
  const { facts } = own
  if (group === undefined || facts === undefined) throw new Error('this node belongs to no group')
  const home = testGroups[0]?.id
  const others = testGroups.filter(({ id }) => id !== group.id)
  const links = linksOn(wire, group, others, { store: own, clock: systemClock })
  serveReplication({ links, store: own, facts, clock, handsOver: true })
  let joined = 0
  const pull: PullDeps = {
    // Nobody waits for what is not there yet: a test says when it looks.
    links: { call: (id, name, body, options) => links.call(id, name, withoutWait(body), options) },
    facts,
    clock,
    node: group.id,
    figures: { joined: (_group, count) => (joined += count), upToDate() {}, revocationsUpToDate() {}, readAll() {}, backlog() {} }
  }
  const member: Member = {
    own,
    links,
    others,
    ...(home === undefined || home === group.id ? {} : { home }),
    foreign: { links, facts, clock, logger: { debug() {} }, fetchesSessions: true, fetchesTransactions: true, fetchesArtifacts: true },
    engine: undefined,
    async read() {
      joined = 0
      for (const other of others) {
        await pullFacts(pull, other)
        await catchUpOnRevocations(pull, other)
      }
      for (const late of await facts.late(50)) {
        joined += 1
        await member.engine?.logOutLate(late)
      }
      return joined
    }
  }
  return member
}
